-- The tree. Where it is only looked at by filters, what they do not look at is left out.

-- Whether all is shown, and if not, which fields are asked for; the packet's octets.
local whole, wanted, packet
-- The methods of tree items, which are looked up by name each time otherwise.
local tree_add, set_generated

-- A time of so many nanoseconds; never negative here. Durations come again and again, and some times twice in a row.
local TIMES, times_held, MAX_TIMES = {}, 0, 4096
local function often(ns)
    local time = TIMES[ns]
    if not time then
        if times_held == MAX_TIMES then
            TIMES, times_held = {}, 0
        end
        time = NSTime(floor(ns / 1e9), ns % 1e9)
        TIMES[ns], times_held = time, times_held + 1
    end
    return time
end

local last_interval, last_time
local function interval(ns)
    if ns ~= last_interval then
        last_interval, last_time = ns, NSTime(floor(ns / 1e9), ns % 1e9)
    end
    return last_time
end

-- The range of octets that was asked for last: fields that follow one another often share theirs.
local range, range_at, range_size

-- Adds a field that stands for so many octets; nil where nobody asks for it. Where the tree is not looked at, what
-- octets a field stands for and how it is shown does not matter.
local function add(tree, field, at, size, value)
    if whole then
        if at ~= range_at or size ~= range_size then
            range, range_at, range_size = packet(at, size), at, size
        end
        local item = tree_add(tree, fields[field], range, value)
        if generated[field] then
            set_generated(item)
        end
        return item
    elseif wanted[field] then
        return tree_add(tree, fields[field], value)
    end
end

-- Adds a field of the tap header: said by the tap, and not in the message, but in the octets of the packet.
local function tell(tree, field, at, size, value)
    if whole then
        return tree_add(tree, fields[field], packet(at, size), value)
    elseif wanted[field] then
        return tree_add(tree, fields[field], value)
    end
end

-- Adds a field that is concluded from more than some octets of the packet.
local function conclude(tree, field, value)
    if whole then
        local item = tree_add(tree, fields[field], value)
        set_generated(item)
        return item
    elseif wanted[field] then
        return tree_add(tree, fields[field], value)
    end
end

-- Adds what groups fields, which has its title for a text where it is given none.
local function group(tree, field, at, size, text)
    if not whole then
        return tree
    end
    local item = tree_add(tree, fields[field], packet(at, size))
    return text and item:set_text(text) or item
end

-- Marks what is wrong, whether its field is asked for or not; complaints are those of the record in hand.
local complaints

local function complain(tree, item, which)
    local place = item or tree
    place:add_proto_expert_info(experts[which])
    complaints = complaints or {}
    complaints[#complaints + 1] = which
end

local function show_positions(tree, field, positions, which)
    for _, wrong in ipairs(positions) do
        tell(tree, field, wrong[2], 2, wrong[1])
    end
    if #positions > 0 and which then
        complain(tree, nil, which)
    end
end

-- The longest pause that is longer than allowed, by more than the time stamps of two octets may be wrong.
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

local function show_header(tree, head, found)
    local top = group(tree, "vtc.header", 0, head.length)
    local said = head.said
    for at = 1, #said, 4 do
        tell(top, said[at], said[at + 1], said[at + 2], said[at + 3])
    end
    if whole or wanted["vtc.duration"] then
        tell(top, "vtc.duration", 24, 8, often(head.duration))
    end
    if head.uncertainty and (whole or wanted["vtc.uncertainty"]) then
        tell(top, "vtc.uncertainty", 20, 4, often(head.uncertainty))
    end
    if head.kind == "frame" and (whole or wanted["vtc.gap"]) then
        local place, place_at = where()
        local gap = place.gap[place_at]
        if gap >= 0 then
            conclude(top, "vtc.gap", interval(gap))
        end
    end
    if head.length > HEADER then
        show_pauses(top, head, found.pauses)
        show_positions(top, "vtc.error.parity", found.parity, "parity")
        show_positions(top, "vtc.error.framing", found.framing, not head.breaks and "framing")
        if found.event and found.event ~= "" then
            show_event(top, found)
        end
    end
    for _, mark in ipairs(head.marks) do
        local item = tell(top, mark[3], 12, 2, true)
        if mark[4] then
            complain(top, item, mark[4])
        end
    end
end

-- Where the message begins in the packet, and the message in hand: what says that a field is assumed is in it.
local base, message

-- Adds a field of the message; one that is assumed says so.
local function say(tree, field, at, size, value)
    local item = add(tree, field, base + at, size, value)
    if item and whole and message.assumed and message.assumed[field] then
        item:append_text(" [assumed]")
    end
    return item
end

local function show_set(tree, number, set)
    local register_at, register_size, value_at = set.first - 1, set.open - set.first, set.open
    local value_size = #set.raw
    local unit_size = max(0, set.after - set.open - 2 - value_size)
    if whole and not set.title then
        set.title = "Data set " .. number .. ": " .. set_text(set) .. (set.name and " " .. set.name
            .. (message.assumed["vtc.register.name"] and " [assumed]" or "") or "")
    end
    local top = group(tree, "vtc.set", base + register_at, set.last - set.first + 1, set.title)
    add(top, "vtc.register", base + register_at, register_size, set.register)
    if set.name then
        say(top, "vtc.register.name", register_at, register_size, set.name)
    elseif message.named then
        add(top, "vtc.register.name", base + register_at, register_size, "")
    end
    add(top, "vtc.value", base + value_at, value_size, set.value)
    if set.word and message.decoded then
        say(top, "vtc.value.decoded", value_at, value_size, set.word)
    elseif message.decoded then
        add(top, "vtc.value.decoded", base + value_at, value_size, "")
    end
    add(top, "vtc.unit", base + set.after - 1 - unit_size, unit_size, set.unit)
end

local function show_place(tree, number)
    local place, place_at = where()
    local request_in, response_in = place.request_in[place_at], later_of("response_in", number)
    local token_in, status_in = place.token_in[place_at], later_of("status_in", number)
    local time, repeat_of, faults = place.response_time[place_at], place.repeat_of[place_at], faults_of(number)
    if request_in ~= 0 then
        conclude(tree, "vtc.request_in", request_in)
    end
    if response_in ~= 0 then
        conclude(tree, "vtc.response_in", response_in)
    end
    if time >= 0 and (whole or faults ~= 0 or wanted["vtc.response_time"]) then
        local item = conclude(tree, "vtc.response_time", interval(time))
        local fault = TIMING_FAULTS[faults % SILENT]
        if fault then
            complain(tree, item, fault)
        end
    end
    if faults >= SILENT then
        complain(tree, nil, "no_response")
    end
    if repeat_of ~= 0 then
        complain(tree, conclude(tree, "vtc.repeat_of", repeat_of), "repeat")
    end
    if token_in ~= 0 then
        conclude(tree, "vtc.status.token_in", token_in)
    end
    if status_in ~= 0 then
        conclude(tree, "vtc.token.status_in", status_in)
    end
    conclude(tree, "vtc.session", place.session[place_at])
end

local function show_checks(tree, size, complete)
    local status = message.bcc_status
    if status then
        local at, width = message.bcc_at and message.bcc_at - 1 or size, message.bcc_at and 1 or 0
        if message.bcc then
            add(tree, "vtc.bcc", base + at, width, message.bcc)
        end
        if message.bcc_expected then
            add(tree, "vtc.bcc.expected", base + at, width, message.bcc_expected)
        end
        local item = add(tree, "vtc.bcc.status", base + at, width, status)
        if message.bcc_rule then
            add(tree, "vtc.bcc.rule", base + at, width, message.bcc_rule)
        end
        if complete and (status == "bad" or status == "missing") then
            complain(tree, item, "bcc_" .. status)
        end
    end
    if message.crc_status then
        local at, width = message.crc_at and message.crc_at - 1 or size, message.crc_at and message.crc_length or 0
        if message.crc then
            add(tree, "vtc.crc", base + at, width, message.crc)
        end
        local item = add(tree, "vtc.crc.status", base + at, width, message.crc_status)
        if complete and message.crc_status == "bad" then
            complain(tree, item, "crc_bad")
        end
    end
end

local function show_token(tree)
    local token = message.token
    local at, size = token.set.open, #token.set.raw
    local top = say(tree, "vtc.token", at, size, token.digits)
    top = top or tree
    local function put_in(field, value)
        if value ~= nil then
            return add(top, field, base + at, size, value)
        end
    end
    say(top, "vtc.token.encoding", at, size, token.encoding)
    put_in("vtc.token.class", token.class)
    put_in("vtc.token.subclass", token.subclass)
    put_in("vtc.token.name", token.name)
    put_in("vtc.token.crc", token.crc)
    local status = put_in("vtc.token.crc.status", token.status)
    if token.status == "bad" then
        complain(top, status, "token_crc")
    end
    put_in("vtc.token.control", token.control
        and UInt64.new(token.control % 4294967296, floor(token.control / 4294967296)))
    for _, test in ipairs(token.tests or {}) do
        put_in("vtc.token.control.name", test)
    end
    put_in("vtc.token.manufacturer", token.manufacturer)
    put_in("vtc.token.payload", token.payload)
end

local function show_status(tree)
    local at, size = message.status_set.open, #message.status_set.raw
    local item = say(tree, "vtc.status.token", at, size, message.status)
    say(tree, "vtc.status.token.name", at, size, message.status_name)
    if message.status == LOCKOUT then
        complain(tree, item, "lockout")
    elseif PROFILE.rejected[message.status] then
        complain(tree, item, "rejected")
    end
end

local function show_parts(tree)
    for _, entry in ipairs(message) do
        local field, at, size = entry[1], entry[3] - 1, entry[4] - entry[3] + 1
        add(tree, field, base + at, size, entry[2])
        if field == "vtc.id.manufacturer" and message.maker then
            say(tree, "vtc.id.manufacturer.name", at, size, message.maker)
        elseif field == "vtc.id.text" and message.id_fields then
            for _, part in ipairs(message.id_fields) do
                say(tree, "vtc.id.field", at, size, part)
            end
        end
    end
end

local function show_assumed(tree)
    conclude(tree, "vtc.confidence", message.confidence)
    if message.assumed and (whole or wanted["vtc.assumed"]) then
        sort(message.assumed)
        for _, number in ipairs(message.assumed) do
            conclude(tree, "vtc.assumed", FIELDS[number].name)
        end
    end
end

-- Which parts of the tree a field is in, by how its name begins; the longest beginning counts, and what has none here
-- is of the header. What nobody asks for and nothing is wrong with need not be gone through.
local PARTS = { message = "message", cmd = "parts", address = "parts", id = "parts", option = "parts",
    register = "sets", value = "sets", unit = "sets", bcc = "checks", crc = "checks", status = "meaning",
    token = "meaning", request_in = "place", response_in = "place", response_time = "place", repeat_of = "place",
    ["status.token_in"] = "place", ["token.status_in"] = "place", session = "place", confidence = "sources",
    assumed = "sources", text = "rest", ["error.code"] = "rest" }
local parts_wanted
-- Whether a part of a message is asked for, besides what message it is.
local inside_wanted

-- Begins a run of packets of which these fields are asked for, by their names.
local function want(names)
    wanted, parts_wanted, inside_wanted = names, {}, false
    for name in pairs(names) do
        local rest = sub(name, 5)
        local part = PARTS[rest] or PARTS[match(rest, "^[^.]+")] or "header"
        parts_wanted[part] = true
        inside_wanted = inside_wanted or (part ~= "message" and part ~= "header")
    end
end

-- Begins a packet, whose whole tree is shown or not.
local function begin_tree(tvb, tree, is_whole)
    if not tree_add then
        tree_add, set_generated = tree.add, tree.set_generated
    end
    packet, whole, range_at = tvb, is_whole, nil
end

local function show_message(tree, head, size, decoded, number, troubled)
    base, message = head.length, decoded
    -- What is cut, or only an echo, is not held against the form of the message.
    local complete = not head.cut and not head.echo
    local name = message.name
    local top
    if name then
        top = say(tree, "vtc.message", 0, size, name) or tree
        if name == "UndefinedCommand" and complete then
            complain(top, nil, "undefined")
        elseif name == "NAK" then
            complain(top, nil, "nak")
        end
    else
        top = group(tree, "vtc.continued", base, size, "Continued message")
    end
    local every, parts = whole or troubled, parts_wanted
    if not every and not inside_wanted then
        return
    end
    if every or parts.parts then
        show_parts(top)
    end
    if message.sets and (every or parts.sets) then
        for count, set in ipairs(message.sets) do
            show_set(top, count, set)
        end
    end
    if message.error_code then
        add(top, "vtc.error.code", base + message.sets[1].open, #message.error_code, message.error_code)
    end
    if message.text then
        local first, last = message.text_first, message.text_last
        add(top, "vtc.text", base + first - 1, last - first + 1, message.text)
    end
    if every or parts.checks then
        show_checks(top, size, complete)
    end
    if every or parts.meaning then
        if message.status then
            show_status(top)
        end
        if message.token then
            show_token(top)
        end
    end
    if every or parts.place then
        show_place(top, number)
    end
    if every or parts.sources then
        show_assumed(top)
    end
end

-- All of a record; troubled where something is wrong with it. Gives the names of what is, nil for nothing.
local function show_record(tree, number, head, found, decoded, octets, troubled)
    complaints = nil
    if whole or troubled or parts_wanted.header then
        show_header(tree, head, found)
    end
    if decoded then
        show_message(tree, head, #octets, decoded, number, troubled)
    elseif whole and #octets > 0 then
        group(tree, "vtc.octets", head.length, #octets, "Octets: " .. show(octets))
    end
    return complaints
end

return begin_tree, want, show_record
