-- The tree of a tap header.

local function show_positions(tree, field, positions, which)
    for _, wrong in ipairs(positions) do
        tell(tree, field, wrong[2], 2, wrong[1])
    end
    if #positions > 0 and which then
        complain(tree, nil, which)
    end
end

-- Reports the longest pause that exceeds the limit even if the timestamps of two octets are wrong by their full
-- uncertainty.
local function show_pauses(tree, head, pauses)
    local longest, where = limits.gap, nil
    for _, pause in ipairs(pauses) do
        local item = tell(tree, "vtc.pause", pause[2], 8, interval(pause[1] * 1000))
        local sure = head.kind == "frame" and head.uncertainty and not head.synthetic
            and pause[1] * 1000 - 2 * head.uncertainty
        if sure and sure > longest then
            longest, where = sure, item or tree
        end
    end
    if where then
        complain(where, nil, "char_gap")
    end
end

local function show_event(tree, found)
    local space = find(found.event, " ", 1, true)
    local name = space and sub(found.event, 1, space - 1) or found.event
    local item = tell(tree, "vtc.event", found.event_at, found.event_size, name)
    if name == "speed" then
        complain(tree, item, "speed")
    end
    if space and space < #found.event then
        tell(tree, "vtc.event.detail", found.event_at, found.event_size, sub(found.event, space + 1))
    end
end

local function hexadecimal(octets)
    return (gsub(octets, ".", function(octet) return format("%02x", byte(octet)) end))
end

-- The place in the hash chain: id of the chain, number (u32), hash of the record before, start of the record's hash.
local function show_place(tree, raw, at)
    local a, b, c, d = byte(raw, at + 5, at + 8)
    tell(tree, "vtc.chain", at, 4, hexadecimal(sub(raw, at + 1, at + 4)))
    tell(tree, "vtc.chain.number", at + 4, 4, ((a * 256 + b) * 256 + c) * 256 + d)
    tell(tree, "vtc.chain.hash", at + 40, 8, hexadecimal(sub(raw, at + 41, at + 48)))
end

local function show_header(tree, head, found)
    local top = group(tree, "vtc.header", 0, head.length)
    local said = head.said
    for at = 1, #said, 4 do
        tell(top, said[at], said[at + 1], said[at + 2], said[at + 3])
    end
    if asked("vtc.duration") then
        tell(top, "vtc.duration", 24, 8, often(head.duration))
    end
    if head.uncertainty and asked("vtc.uncertainty") then
        tell(top, "vtc.uncertainty", 20, 4, often(head.uncertainty))
    end
    if head.kind == "frame" and asked("vtc.gap") then
        local place, place_at = where()
        local gap = place.gap[place_at]
        if gap >= 0 then
            conclude(top, "vtc.gap", interval(gap))
        end
    end
    if head.length > HEADER then
        show_pauses(top, head, found.pauses)
        show_positions(top, "vtc.error.parity", found.parity, "parity")
        show_positions(top, "vtc.error.framing", found.framing, not head["break"] and "framing_error")
        if found.event and found.event ~= "" then
            show_event(top, found)
        end
    end
    for _, mark in ipairs(head.marks) do
        local item = tell(top, mark.field, 12, 2, true)
        if mark.expert then
            complain(top, item, mark.expert)
        end
    end
    if found.hash_at then
        show_place(top, found.raw, found.hash_at)
    end
end

return show_header
