-- Messages: decodes a frame's octets.

-- A message is a list of { field, value, first, last }; positions count the record's octets from 1. Data sets, checks
-- and the profile's results are under keys of their own.
local function put(message, field, value, first, last)
    if value ~= nil and value ~= "" then
        message[#message + 1] = { field, value, first, last }
        message[field] = value
    end
end

local function closing_bracket(text, at, stop)
    local depth = 1
    for position = at, stop do
        local value = byte(text, position)
        if value == 40 then
            depth = depth + 1
        elseif value == 41 then
            depth = depth - 1
        end
        if depth == 0 or value == 13 or value == 10 then
            return position
        end
    end
    return stop + 1
end

-- Adds text[first..last] to the pieces of the message's other text.
local function put_text(message, text, first, last)
    if first <= last then
        local pieces = message.pieces or {}
        pieces[#pieces + 1] = show(sub(text, first, last))
        message.pieces = pieces
        message.text_first, message.text_last = message.text_first or first, last
    end
end

-- Joins the pieces once, since joining them one by one would take quadratic time.
local function join_text(message)
    if message.pieces then
        message.text = concat(message.pieces, " ")
    end
end

-- Reads a data set with register text[first..open - 1] that does not have the plain form: its value contains a bracket,
-- or has no closing one. Returns the end of the value, and the whole value.
local function odd_set(text, open, last)
    local after = find(text, "[%(%)\r\n]", open + 1)
    if not after or after > last then
        after = last + 1
    end
    if after <= last and byte(text, after) == 40 then
        after = closing_bracket(text, after, last)
        return after, sub(text, open + 1, after - 1), true
    end
    return after, sub(text, open + 1, after - 1), false
end

-- Most messages are one set of printable characters, which a single pattern recognises. "<" is left out, since it may
-- be shown by its number. (Classes that name what they accept match twice as fast as those that name the rest. The
-- frontier keeps the value whole: a long one without a bracket would else be tried at each length.)
local ONE_SET = "^([ \"-')-;=-~]*)%(([ -'+-;=-~]*)%f[*)]%*?([ -'*-;=-~]*)%)()"

-- Reads the data sets in text[first..last]; the rest becomes the message's text.
local function data_sets(message, text, first, last)
    local register, value, unit, after = match(text, ONE_SET, first)
    if after == last + 1 then
        message.sets = { { register = register, value = value, unit = unit, raw = value, first = first,
            open = first + #register, after = last, last = last, name = nil, word = nil, title = nil } }
        return
    end
    local sets = {}
    local odd = find(text, "[^ -;=-~]", first)
    local plain = not odd or odd > last
    local at = first
    while at <= last do
        local _, after, register, value = find(text, "^([^%(\r\n!]*)%(([^%(%)\r\n]*)%)", at)
        local open, nested
        if after and after <= last then
            open = at + #register
        else
            open = find(text, "[%(\r\n!]", at)
            if not open or open > last then
                put_text(message, text, at, last)
                break
            end
            if byte(text, open) == 40 then
                register = sub(text, at, open - 1)
                after, value, nested = odd_set(text, open, last)
            else
                put_text(message, text, at, open - 1)
                at, after = open + 1, nil
            end
        end
        if after then
            local star = not nested and find(value, "*", 1, true)
            local unit = star and sub(value, star + 1) or ""
            value = star and sub(value, 1, star - 1) or value
            local closed = after <= last and byte(text, after) == 41
            sets[#sets + 1] = { register = plain and register or show(register), value = plain and value or show(value),
                unit = plain and unit or show(unit), raw = value, first = at, open = open, after = after,
                last = closed and after or after - 1, name = nil, word = nil, title = nil }
            at = closed and after + 1 or after
        end
    end
    message.sets = sets
end

local SOH, STX, EOT, ACK, SLASH, HDLC_FLAG = 1, 2, 4, 6, 0x2F, 0x7E

-- Reads the body of a read without brackets: register and count. Returns whether it is one.
local function bare_read(message, structure, text, first, last)
    local after_stx = byte(structure, first - 1) == STX
    if last - first ~= 4 or not after_stx or find(sub(text, first, last), "[^0-9A-F]") then
        return false
    end
    message.sets = { { register = sub(text, first, last - 1), value = "", unit = "", raw = "", first = first,
        open = last, after = last, last = last - 1, bare = true, name = nil, word = nil, title = nil } }
    put(message, "vtc.count", tonumber(sub(text, last, last), 16), last, last)
    return true
end

local function block(message, name, structure, text, body, stop)
    if name ~= "ReadCommand" or not bare_read(message, structure, text, body, stop - 1) then
        data_sets(message, text, body, stop - 1)
    end
    message.bcc_status = "missing"
    if stop <= #structure then
        local by_xor = bcc_xor(structure, 2, stop)
        local received = byte(structure, stop + 1)
        message.bcc_expected = by_xor
        if received then
            message.bcc, message.bcc_at = received, stop + 1
            message.bcc_status = "good"
            if received == by_xor then
                message.bcc_rule = "xor"
            else
                local by_sum = bcc_sum(structure, 2, stop)
                if received == by_sum then
                    message.bcc_rule, message.bcc_expected = "sum", by_sum
                else
                    message.bcc_status = "bad"
                end
            end
            put_text(message, text, stop + 2, #text)
        end
    end
    local sets = message.sets
    if name == "Data" then
        if #sets == 1 and sets[1].register == "" and sub(sets[1].value, 1, 2) == "ER" then
            name = "Error"
            message.error_code = sets[1].value:match("^ER[0-9A-Za-z]*")
        elseif byte(structure, stop) == EOT then
            name = "PartialData"
        end
    end
    message.name = name
end

local function block_end(structure)
    return match(structure, "^[^\3\4]*()")
end

local decoders = {}

decoders[SOH] = function(message, structure, text)
    local stop = block_end(structure)
    local stx = find(structure, "\2", 2, true)
    local body = min(4, (stx and stx < stop) and stx or stop)
    local cmd = show(sub(text, 2, body - 1))
    local known = COMMANDS[sub(cmd, 1, 1)]
    if #cmd >= 2 and not find(cmd, "^.%d") then
        known = nil
    end
    put(message, "vtc.cmd", cmd, 2, body - 1)
    if byte(structure, body) == STX then
        body = body + 1
    end
    block(message, known or "UndefinedCommand", structure, text, body, stop)
end

decoders[STX] = function(message, structure, text)
    block(message, "Data", structure, text, 2, block_end(structure))
end

decoders[SLASH] = function(message, structure, text)
    message.bcc_status = "none"
    if sub(structure, 2, 2) == "?" or sub(structure, 3, 3) == "!" then
        message.name = "IDRequest"
        if sub(structure, 2, 2) ~= "?" then
            put_text(message, text, 2, 2)
        end
        local bang = find(text, "!", 3, true)
        local last = bang and bang - 1 or text:match("^.*()[^\r\n]")
        put(message, "vtc.address", show(sub(text, 3, last)), 3, last)
        if bang then
            local first, last = find(text, "[^\r\n]", bang + 1), text:match("^.*()[^\r\n]", bang + 1)
            put_text(message, text, first or 1, last or 0)
        end
        return
    end
    local line, after = find(structure, "\r\n", 1, true), nil
    local single = find(structure, "[\r\n]")
    if line and single == line then
        after = line + 2
    elseif single then
        line, after = single, single + 1
    else
        line = #structure + 1
    end
    put(message, "vtc.id.manufacturer", show(sub(text, 2, min(4, line - 1))), 2, min(4, line - 1))
    put(message, "vtc.id.speed", show(sub(text, 5, min(5, line - 1))), 5, 5)
    put(message, "vtc.id.text", show(sub(text, 6, line - 1)), 6, line - 1)
    if not after or after > #structure then
        message.name = "IDResponse"
        return
    end
    message.name = "Telegram"
    local bang, _, digits = find(structure, "!(%x?%x?%x?%x?)\r?\n?$")
    data_sets(message, text, line, bang and bang - 1 or #text)
    message.crc_status = "missing"
    if bang and digits ~= "" then
        message.crc, message.crc_at = tonumber(digits, 16), bang + 1
        message.crc_length = #digits
        message.crc_status = message.crc == crc16(text, bang) and "good" or "bad"
    end
end

decoders[ACK] = function(message, structure, text)
    message.bcc_status = "none"
    message.name = "ACK"
    if #structure > 1 then
        message.name = "OptionSelect"
        put(message, "vtc.option.protocol", show(sub(text, 2, 2)), 2, 2)
        put(message, "vtc.option.speed", show(sub(text, 3, 3)), 3, 3)
        put(message, "vtc.option.mode", show(sub(text, 4, 4)), 4, 4)
    end
end

-- The end of the address at a position: the octet whose lowest bit is set.
local function address_end(octets, at)
    for position = at, min(at + 3, #octets) do
        if byte(octets, position) % 2 == 1 then
            return position
        end
    end
end

-- Checks a check sequence over everything from the format field to it, low octet first.
local function sequence(message, name, octets, at)
    local low, high = byte(octets, at, at + 1)
    message[name], message[name .. "_at"] = low + 256 * high, at
    local good = message[name] == fcs16(octets, 2, at - 1)
    message[name .. "_status"] = good and "good" or "bad"
    message.bad_sequence = message.bad_sequence or not good
end

decoders[HDLC_FLAG] = function(message, _, octets)
    message.name, message.bcc_status, message.fcs_status = "HDLC", "none", "missing"
    local high, low = byte(octets, 2, 3)
    local last = low and 1 + high % 8 * 256 + low or 0
    local destination = address_end(octets, 4)
    local source = destination and address_end(octets, destination + 1)
    if not source or source >= #octets then
        return
    end
    if source + 5 <= last and source + 3 <= #octets then
        sequence(message, "hcs", octets, source + 2)
    end
    if source + 3 <= last and last <= #octets then
        sequence(message, "fcs", octets, last - 1)
    end
end

for first, name in pairs(ALONE) do
    decoders[first] = function(message)
        message.name, message.bcc_status = name, "none"
    end
end

-- Decodes the octets of a frame.
local function decode(octets)
    -- Allocates the keys that most messages use; growing a table costs more than filling it.
    local message = { name = nil, sets = nil, bcc = nil, bcc_at = nil, bcc_status = nil, bcc_rule = nil,
        bcc_expected = nil, confidence = nil, assumed = nil, named = nil, decoded = nil, faulty = nil, info = nil }
    local high = has_high(octets)
    local structure = high and octets:gsub("[\128-\255]", SEVEN) or octets
    local decoder = decoders[byte(structure, 1)]
    if decoder then
        -- HDLC uses all eight bits for data.
        local seven = high and byte(structure, 1) ~= HDLC_FLAG and carries_even_parity(octets)
        decoder(message, structure, seven and structure or octets)
    else
        put_text(message, octets, 1, #octets)
    end
    join_text(message)
    return message
end

return decode
