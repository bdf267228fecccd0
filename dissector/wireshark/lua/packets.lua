-- Packets: the tap header, the caches between packets, and the dissector itself.

-- The option with a record's place in the hash chain, and the size of its value.
local HASH, HASH_SIZE = 5, 48

local function line_name(octet)
    local bits, parity = rshift(octet, 4), PARITIES[band(rshift(octet, 1), 7)]
    return bits >= 5 and bits <= 8 and parity and bits .. parity .. (1 + octet % 2) or nil
end

-- Reads the header's 16- and 32-bit numbers at an offset.
local function u16(raw, offset)
    local a, b = byte(raw, offset + 1, offset + 2)
    return a * 256 + b
end

local function u32(raw, offset)
    local a, b, c, d = byte(raw, offset + 1, offset + 4)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

-- Reads positions, pauses, event and place in the chain from the header's options; nil for a damaged header.
-- "reported" says that there is more than a hash.
local function options(raw, length)
    local found = { parity = {}, framing = {}, pauses = {}, raw = raw }
    local at = HEADER
    while at + 4 <= length do
        local number, size = u16(raw, at), u16(raw, at + 2)
        at = at + 4
        if at + size > length then
            return nil
        end
        found.reported = found.reported or number ~= HASH
        if number == 1 or number == 2 then
            local list = number == 1 and found.parity or found.framing
            for position = at, at + size - 2, 2 do
                list[#list + 1] = { u16(raw, position), position }
            end
        elseif number == 3 then
            for position = at, at + size - 8, 8 do
                found.pauses[#found.pauses + 1] = { u32(raw, position + 4), position }
            end
        elseif number == 4 then
            found.event = show(sub(raw, at + 1, at + size))
            found.event_at, found.event_size = at, size
        elseif number == HASH and size == HASH_SIZE then
            found.hash_at = at
        end
        at = at + size + (-size) % 4
    end
    return found
end

local NO_OPTIONS = { parity = {}, framing = {}, pauses = {} }

-- The meaning of the first 20 octets, which are equal in most of a tap's records; false for a packet of another kind.
local header = remembering(function(start)
    local length, sender = u32(start, 4), byte(start, 9)
    if sub(start, 1, 3) ~= "VT\1" or byte(start, 4) > 2 or length % 4 ~= 0 or length < HEADER then
        return false
    end
    local flags, speed, line = u16(start, 12), u32(start, 16), line_name(byte(start, 12))
    local head = { length = length, kind = RECORD_KINDS[byte(start, 4)], sender = SENDERS[band(sender, 3)] or "unknown",
        link = byte(start, 10), flagged = flags ~= 0, marks = {} }
    for _, flag in ipairs(FLAGS) do
        local set = band(flags, flag.bit) ~= 0
        head[flag.name] = set
        head.marks[#head.marks + 1] = set and flag.field and flag or nil
    end
    -- The header's fields: name, offset, size and value of each.
    local said = { "vtc.kind", 3, 1, head.kind, "vtc.sender", 8, 1, head.sender }
    local function say(field, at, size, value)
        local count = #said
        said[count + 1], said[count + 2], said[count + 3], said[count + 4] = field, at, size, value
    end
    if sender >= 128 then
        say("vtc.sender.inferred", 8, 1, true)
    end
    say("vtc.link", 9, 1, head.link)
    say("vtc.tap", 10, 1, byte(start, 11))
    if speed > 0 then
        say("vtc.speed", 16, 4, speed)
    end
    if line then
        say("vtc.line", 11, 1, line)
    end
    head.said = said
    return head
end, 256)

-- The header of a frame that the trace holds only in part, as a snapshot length leaves it.
local function cut_short(start)
    local flags = byte(start, 14)
    if byte(start, 4) ~= 0 or band(flags, CUT) ~= 0 then
        return start
    end
    return sub(start, 1, 13) .. char(flags + CUT) .. sub(start, 15)
end

-- A pass over the packets always requests the same fields, and the same columns or none. Consecutive packets may still
-- differ (Wireshark's window draws some rows, then a search continues from there), so the request is kept only during a
-- run that is longer than a window. A run ends between packets that are not consecutive, between visited and unvisited
-- ones, and at a whole tree.
local LONG_RUN = 100
local run, expected_number, seen_before, shown_whole, columns_wanted, fields_wanted = 0

local function look_what_is_wanted(pinfo, tree, whole)
    columns_wanted = tostring(pinfo.cols.info) ~= "(info)"
    local names = {}
    if not whole then
        for name, field in pairs(fields) do
            names[name] = tree:referenced(field) or nil
        end
    end
    want(names)
    fields_wanted = next(names) ~= nil
end

-- Wireshark's own dissector of mode E's frames, from 4.6 on.
local has_dlms, DLMS = pcall(Dissector.get, "dlms")
DLMS = has_dlms and DLMS or nil

-- The current record, for the taps of the statistics.
local record = {}

-- Methods, cached since each call would look them up by name.
local octets_of, length_of

function protocol.dissector(tvb, pinfo, tree)
    if not octets_of then
        octets_of, length_of = tvb.raw, tvb.reported_len
    end
    local raw = octets_of(tvb)
    local size = #raw
    local start = with_its_link(sub(raw, 1, 20))
    local head = size >= HEADER and header(length_of(tvb) > size and cut_short(start) or start)
    if not head or head.length > size then
        return 0
    end
    local length = head.length
    local found = length > HEADER and options(raw, length) or length == HEADER and NO_OPTIONS
    if not found then
        return 0
    end
    local number, visited = pinfo.number, pinfo.visited
    local whole = tree.visible
    if number ~= expected_number or visited ~= seen_before or whole ~= shown_whole then
        run, seen_before, shown_whole = 0, visited, whole
    end
    if run < LONG_RUN then
        look_what_is_wanted(pinfo, tree, whole)
        run = run + 1
    end
    expected_number = number + 1
    local a, b, c, d, e, f, g, h, i, j, k, l = byte(raw, 21, 32)
    local uncertainty = ((a * 256 + b) * 256 + c) * 256 + d
    head.uncertainty = uncertainty ~= 0xFFFFFFFF and uncertainty or nil
    head.duration = (((e * 256 + f) * 256 + g) * 256 + h) * 4294967296.0 + ((i * 256 + j) * 256 + k) * 256 + l
    local octets = sub(raw, length + 1)
    local message, troubled = nil, head.flagged or found.reported
    if head.kind == "frame" then
        message = understand(octets)
        troubled = follow(pinfo, number, visited, head, message, octets) or troubled
        message = understand(octets, asked_here())
        troubled = troubled or message.faulty
    elseif head.kind == "event" and found.event and not visited then
        interrupt(head.link, byte(start, 11), found.event)
    end
    record.number, record.head, record.message, record.octets, record.found = number, head, message, octets, found
    local text = (whole or columns_wanted) and record_text(head, message, octets, found)
    if columns_wanted then
        give_addresses(pinfo, head.sender)
        show_columns(pinfo.cols, head.sender, text)
    end
    local top = whole and tree:add(protocol, tvb(), "Virtual token carrier, " .. text) or tree:add(protocol)
    record.complaints = nil
    if whole or fields_wanted or troubled then
        begin_tree(tvb, tree, whole)
        record.complaints = show_record(top, number, head, found, message, octets, troubled)
    end
    -- Damaged frames are handed to no other dissector, and a frame that another dissector finds malformed is no error
    -- here.
    local handler = message and message.fcs_status == "good" and (handlers:get_dissector(message.name) or DLMS)
    if handler then
        pcall(handler.call, handler, tvb(length):tvb(), pinfo, tree)
    end
    return size
end

DissectorTable.get("wtap_encap"):add(ENCAPSULATION, protocol)
