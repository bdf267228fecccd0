--@HEAD@
--
-- A record of vtctap: a tap header, then the octets of one message, of noise, or an event (docs/link-type.md). The
-- rules of decoding are those of vtctap's own decoder; tables that come from its field catalogue and from the profile
-- stand first, the code that reads them below. Lua 5.1 to 5.4.

local protocol = Proto("vtc", "Virtual token carrier (IEC 62055-52) and IEC 62056-21")

--@TABLES@

local bxor, band, rshift = bit.bxor, bit.band, bit.rshift
local byte, char, find, format, sub = string.byte, string.char, string.find, string.format, string.sub
local gsub, match, rep = string.gsub, string.match, string.rep
local concat, floor, max, min = table.concat, math.floor, math.max, math.min
local unpack = table.unpack or unpack

local HEADER = 32
local NUL, SOH, STX, EOT, ACK, NAK, SLASH, HDLC = 0, 1, 2, 4, 6, 0x15, 0x2F, 0x7E

set_plugin_info({ version = VERSION, description = "Prepaid-meter links, made by vtctap from profile " .. PROFILE.name,
    author = "vtctap" })

-- Fields ------------------------------------------------------------------------------------------------------------

local KINDS = {
    s = function(name, title, about) return ProtoField.string(name, title, base.ASCII, about) end,
    e = function(name, title, about) return ProtoField.string(name, title, base.ASCII, about) end,
    u = function(name, title, about) return ProtoField.uint32(name, title, base.DEC, nil, nil, about) end,
    w = function(name, title, about) return ProtoField.uint64(name, title, base.DEC, nil, nil, about) end,
    n = function(name, title, about) return ProtoField.double(name, title, about) end,
    b = function(name, title, about) return ProtoField.bool(name, title, base.NONE, nil, nil, about) end,
    t = function(name, title, about) return ProtoField.relative_time(name, title, about) end,
    f = function(name, title, about) return ProtoField.framenum(name, title, base.NONE, nil, nil, about) end,
}

local fields, generated = {}, {}
for _, field in ipairs(FIELDS) do
    fields[field.name] = KINDS[field.type](field.name, field.title, field.about)
    generated[field.name] = field.generated
end
protocol.fields = fields

local function expertise(name, title, group, severity)
    return ProtoExpert.new("vtc.expert." .. name, title, expert.group[group], expert.severity[severity])
end

local experts = {
    bcc_bad = expertise("bcc_bad", "Bad check character", "CHECKSUM", "ERROR"),
    bcc_missing = expertise("bcc_missing", "No check character", "CHECKSUM", "WARN"),
    crc_bad = expertise("crc_bad", "Bad CRC", "CHECKSUM", "ERROR"),
    parity = expertise("parity", "Wrong parity", "CHECKSUM", "WARN"),
    framing = expertise("framing", "Framing error", "PROTOCOL", "WARN"),
    break_ = expertise("break", "Break", "SEQUENCE", "NOTE"),
    overrun = expertise("overrun", "Octets were lost", "SEQUENCE", "WARN"),
    cut = expertise("cut", "Cut frame", "SEQUENCE", "WARN"),
    echo = expertise("echo", "Echo of the other side", "SEQUENCE", "NOTE"),
    repeated = expertise("repeat", "Said again", "SEQUENCE", "NOTE"),
    undefined = expertise("undefined", "Undefined command", "UNDECODED", "WARN"),
    rejected = expertise("rejected", "Token rejected", "RESPONSE_CODE", "NOTE"),
    token_crc = expertise("token_crc", "Bad CRC of a token", "CHECKSUM", "WARN"),
}
protocol.experts = experts

-- Characters --------------------------------------------------------------------------------------------------------

local CONTROLS = { [0] = "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR",
    "SO", "SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS",
    "US", [127] = "DEL" }
local SHOWN, SEVEN, ODD = {}, {}, {}
for value = 0, 255 do
    local character = char(value)
    if CONTROLS[value] then
        SHOWN[character] = "<" .. CONTROLS[value] .. ">"
    elseif value >= 128 then
        SHOWN[character] = format("<%02X>", value)
    end
    SEVEN[character] = char(value % 128)
    local ones, rest = 0, value
    while rest > 0 do
        ones = ones + rest % 2
        rest = (rest - rest % 2) / 2
    end
    ODD[character] = ones % 2 == 1 or nil
end

-- Octets as text: printable ASCII as it is, any other as its name in angle brackets.
local function show(octets)
    if find(octets, "^[ -~]*$") then
        return octets
    end
    return (octets:gsub("[^ -~]", SHOWN))
end

local function has_high(octets)
    return find(octets, "[\128-\255]") ~= nil
end

-- Whether octets received as eight bits plainly are seven bits and even parity.
local function carries_even_parity(octets)
    if not has_high(octets) then
        return false
    end
    local odd = 0
    for at = 1, #octets do
        if ODD[sub(octets, at, at)] then
            odd = odd + 1
        end
    end
    return odd * 8 <= #octets
end

-- Checks ------------------------------------------------------------------------------------------------------------

local function bcc(structure, first, last)
    local by_xor, by_sum = 0, 0
    for at = first, last do
        local value = byte(structure, at)
        by_xor = bxor(by_xor, value)
        by_sum = by_sum + value
    end
    return band(by_xor, 127), by_sum % 128
end

local CRC16 = {}
for index = 0, 255 do
    local value = index
    for _ = 1, 8 do
        value = bxor(rshift(value, 1), band(value, 1) * 0xA001)
    end
    CRC16[index] = value
end

local function crc16(octets, last, start)
    local value = start or 0
    for at = 1, last do
        value = bxor(rshift(value, 8), CRC16[band(bxor(value, byte(octets, at)), 255)])
    end
    return value
end

-- Messages ----------------------------------------------------------------------------------------------------------

-- A message is a list of { field, value, first, last }: positions count the record's octets from 1. What data sets,
-- checks and the profile add to it has names of its own.
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

-- What else a message carries, in text[first..last]: all its pieces make one text.
local function put_text(message, text, first, last)
    if first <= last then
        local shown = show(sub(text, first, last))
        message.text = message.text and message.text .. " " .. shown or shown
        message.text_first, message.text_last = message.text_first or first, last
    end
end

-- The data sets in text[first..last]; what is in none is the message's text.
local function data_sets(message, text, first, last)
    local sets = {}
    local at = first
    while at <= last do
        local stop = find(text, "[%(\r\n!]", at)
        if not stop or stop > last then
            put_text(message, text, at, last)
            break
        end
        if byte(text, stop) ~= 40 then
            put_text(message, text, at, stop - 1)
            at = stop + 1
        else
            local register = sub(text, at, stop - 1)
            local value_end = find(text, "[%(%)\r\n]", stop + 1)
            if not value_end or value_end > last then
                value_end = last + 1
            end
            local value, unit, after
            if byte(text, value_end) == 40 and value_end <= last then
                after = closing_bracket(text, value_end, last)
                value, unit = sub(text, stop + 1, after - 1), ""
            else
                after = value_end
                value = sub(text, stop + 1, after - 1)
                local star = find(value, "*", 1, true)
                unit = star and sub(value, star + 1) or ""
                value = star and sub(value, 1, star - 1) or value
            end
            local closed = after <= last and byte(text, after) == 41
            sets[#sets + 1] = { register = show(register), value = show(value), unit = show(unit), raw = value, first = at,
                open = stop, after = after, last = closed and after or after - 1, length = #value, unit_length = #unit }
            at = closed and after + 1 or after
        end
    end
    message.sets = sets
end

local COMMANDS = { P = "PasswordCommand", R = "ReadCommand", W = "WriteCommand", E = "ExecuteCommand",
    B = "BreakCommand" }

local function block(message, name, structure, text, body, stop)
    data_sets(message, text, body, stop - 1)
    message.bcc_status = "missing"
    if stop <= #structure then
        local by_xor, by_sum = bcc(structure, 2, stop)
        local received = byte(structure, stop + 1)
        message.bcc_expected = by_xor
        if received then
            message.bcc, message.bcc_at = received, stop + 1
            message.bcc_status = "good"
            if received == by_xor then
                message.bcc_rule = "xor"
            elseif received == by_sum then
                message.bcc_rule, message.bcc_expected = "sum", by_sum
            else
                message.bcc_status = "bad"
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
    return find(structure, "[\3\4]") or #structure + 1
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
    if sub(structure, 2, 2) == "?" then
        message.name = "IDRequest"
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

for first, name in pairs({ [NAK] = "NAK", [NUL] = "WakeUp", [HDLC] = "HDLC" }) do
    decoders[first] = function(message)
        message.name, message.bcc_status = name, "none"
    end
end

local function decode(octets)
    local message = {}
    local high = has_high(octets)
    local structure = high and octets:gsub("[\128-\255]", SEVEN) or octets
    local decoder = decoders[byte(structure, 1)]
    if decoder then
        decoder(message, structure, high and carries_even_parity(octets) and structure or octets)
    else
        put_text(message, octets, 1, #octets)
    end
    return message
end

-- How sure a source is.
local RANK = { confirmed = 1, derived = 2, assumed = 3 }

-- Tokens (IEC 62055-41) ---------------------------------------------------------------------------------------------

-- A token's number: nine octets, the highest first, since Lua's numbers do not hold 66 bits. nil where the text is none.
local NUMBERS = {}

local function shift_in(number, factor, digit)
    for at = #number, 1, -1 do
        local value = number[at] * factor + digit
        number[at] = value % 256
        digit = floor(value / 256)
    end
    return digit
end

local function number_of(text, factor, value)
    local number, over = { 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 0
    for at = 1, #text do
        over = over + shift_in(number, factor, value(text, at))
    end
    return over == 0 and number[1] < 4 and number or nil
end

function NUMBERS.decimal(value)
    return #value == 20 and find(value, "^%d+$")
        and number_of(value, 10, function(text, at) return byte(text, at) - 48 end) or nil
end

function NUMBERS.hexadecimal(value)
    return #value == 17 and find(value, "^%x+$")
        and number_of(value, 16, function(text, at) return tonumber(sub(text, at, at), 16) end) or nil
end

function NUMBERS.packed(value)
    return #value == 10 and not has_high(value) and number_of(value, 128, byte) or nil
end

local function digits_of(number)
    local left, digits = { unpack(number) }, {}
    for at = 20, 1, -1 do
        local rest = 0
        for place = 1, #left do
            local value = rest * 256 + left[place]
            left[place], rest = floor(value / 10), value % 10
        end
        digits[at] = rest
    end
    return concat(digits)
end

-- What the control field of a test token asks for; bits counts its width.
local function tests_of(token, control, bits)
    if control == 2 ^ bits - 1 then
        token.tests = { TOKENS.every }
        return
    end
    token.tests = {}
    for bit_number = 0, bits - 1 do
        if floor(control / 2 ^ bit_number) % 2 == 1 then
            local test = TOKENS.control[bit_number]
            token.tests[#token.tests + 1] = test and test.name or "bit " .. bit_number
            token.rank = max(token.rank, test and RANK[test.confidence] or 1)
        end
    end
end

local function open_token(number, encoding)
    -- The sixth octet holds bits 31 to 24: the class is bits 28 and 27. The first has the data bits that stood there.
    local sixth = number[6]
    local class = floor(sixth / 8) % 4
    local token = { digits = digits_of(number), encoding = encoding, class = class, name = TOKENS.classes[class],
        rank = 1 }
    if class ~= 1 then
        token.status = class ~= 3 and "encrypted" or nil
        return token
    end
    local block = { unpack(number, 2) }
    block[5] = sixth - class * 8 + number[1] * 8
    local crc = crc16(char(class, unpack(block, 1, 6)), 7, 0xFFFF)
    local stored = block[7] * 256 + block[8]
    if stored ~= crc % 256 * 256 + floor(crc / 256) then
        token.status = "bad"
        return token
    end
    token.status, token.crc = "good", stored
    token.subclass = floor(block[1] / 16)
    local layout = TOKENS.subclasses[token.subclass]
    token.name, token.rank = layout.name, RANK[layout.confidence]
    local high, low = block[1] % 16 * 256 + block[2], (block[3] * 256 + block[4]) * 256 + block[5]
    if token.subclass == 0 then
        token.control, token.manufacturer = high * 16777216 + low, block[6]
        tests_of(token, token.control, 36)
    elseif token.subclass == 1 then
        token.control, token.manufacturer = high * 65536 + floor(low / 256), low % 256 * 256 + block[6]
        tests_of(token, token.control, 28)
    else
        token.payload = format("%03X%06X%02X", high, low, block[6])
    end
    return token
end

local ANYWHERE = { "decimal", "hexadecimal" }

-- The token in a data set's value; where the profile names no encodings for the register, only one that proves itself.
local function recognise(set, encodings)
    for _, encoding in ipairs(encodings or ANYWHERE) do
        local number = NUMBERS[encoding](set.raw)
        local token = number and open_token(number, encoding)
        if token and (encodings or token.class == 1 and token.status == "good") then
            token.set = set
            return token
        end
    end
end

-- Values: what they read as, by the rules of vtctap's encodings. Doubles hold every number here exactly. --------------

-- Octets by the names that stand for them; <FF> is the form feed, since lines of seven bits have no 255.
local CODES = {}
for value = 255, 0, -1 do
    local name = SHOWN[char(value)]
    if name then
        CODES[name] = char(value)
    end
end

-- The whole number of an enumeration or of bits.
local function number(value, base)
    if base == 10 then
        return find(value, "^%d+$") and #value < 10 and tonumber(value) or nil
    end
    return find(value, "^%x+$") and #value <= 13 and tonumber(value, 16) or nil
end

local function quantity(register, sign, digits, places, unit)
    if places < 0 then
        digits, places = digits .. rep("0", -places), 0
    end
    digits = rep("0", places + 1 - #digits) .. digits
    local whole, rest = gsub(sub(digits, 1, #digits - places), "^0+", ""), sub(digits, #digits - places + 1)
    local text = (sign == "-" and "-" or "") .. (whole == "" and "0" or whole) .. (rest ~= "" and "." .. rest or "")
    unit = unit ~= "" and unit or register.unit
    return unit ~= "" and text .. " " .. unit or text
end

-- The parts of a date as ISO 8601 orders them; nil for what no calendar or clock has.
local MONTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
local CLOCK = { { "hh", 23 }, { "mm", 59 }, { "ss", 59 } }
local function shown_date(found)
    local year, month, day = found.YYYY or found.YY and "20" .. found.YY, tonumber(found.MM), tonumber(found.DD)
    if month and (month < 1 or month > 12) then
        return nil
    end
    if day then
        local count = tonumber(year)
        local leap = not count or (count % 4 == 0 and (count % 100 ~= 0 or count % 400 == 0))
        if day < 1 or day > (month == 2 and leap and 29 or month and MONTHS[month] or 31) then
            return nil
        end
    end
    local days, clock = {}, {}
    for _, piece in ipairs({ year or "", found.MM or "", found.DD or "" }) do
        days[#days + 1] = piece ~= "" and piece or nil
    end
    for _, limit in ipairs(CLOCK) do
        local piece = found[limit[1]]
        if piece and tonumber(piece) > limit[2] then
            return nil
        end
        clock[#clock + 1] = piece
    end
    local first, second = concat(days, "-"), concat(clock, ":")
    return first .. (first ~= "" and second ~= "" and " " or "") .. second
end

-- The date so many seconds after the start of a day, by the Gregorian calendar; see vtctap's encodings.
local function since(epoch, seconds)
    local days, clock = epoch + floor(seconds / 86400), seconds % 86400
    local era, day = floor((days + 719468) / 146097), (days + 719468) % 146097
    local year = floor((day - floor(day / 1460) + floor(day / 36524) - floor(day / 146096)) / 365)
    day = day - (365 * year + floor(year / 4) - floor(year / 100))
    local month = floor((5 * day + 2) / 153)
    day = day + 1 - floor((153 * month + 2) / 5)
    month = month + (month < 10 and 3 or -9)
    year = year + era * 400 + (month <= 2 and 1 or 0)
    return format("%04.0f-%02.0f-%02.0f %02.0f:%02.0f:%02.0f", year, month, day, floor(clock / 3600),
        floor(clock / 60) % 60, clock % 60)
end

local READERS = {}

function READERS.decimal(register, value, unit)
    local sign, whole, point, part = match(value, "^([+-]?)(%d+)(%.?)(%d*)$")
    if not whole or (point == "" and part ~= "") or #whole > 64 or #part > 64 then
        return nil
    end
    return quantity(register, sign, whole .. part, #part - register.scale, unit)
end

function READERS.hexadecimal(register, value, unit)
    local whole = number(value, 16)
    return whole and quantity(register, "", format("%.0f", whole), -register.scale, unit)
end

function READERS.ascii(_, value)
    if #value % 2 ~= 0 or #value > 512 or not find(value, "^%x+$") then
        return nil
    end
    return show((gsub(value, "%x%x", function(pair) return char(tonumber(pair, 16)) end)))
end

function READERS.packed7(_, value)
    local characters = gsub(value, "<%w+>", CODES)
    if characters == "" or #characters > 256 or has_high(characters) then
        return nil
    end
    local length, rest, digits = 7 * #characters, 0, {}
    -- From the last character to the first, four bits at a time; rest holds what is left over, in "held" bits.
    local held, weight = 0, 1
    for at = #characters, 1, -1 do
        rest, held, weight = rest + byte(characters, at) * weight, held + 7, weight * 128
        while held >= 4 do
            digits[#digits + 1] = format("%X", rest % 16)
            rest, held, weight = floor(rest / 16), held - 4, weight / 16
        end
    end
    if length % 4 ~= 0 then
        digits[#digits + 1] = format("%X", rest)
    end
    return concat(digits):reverse()
end

function READERS.bits(register, value)
    local whole = number(value, register.base)
    if not whole then
        return nil
    end
    local names, bit = {}, 0
    while whole > 0 do
        if whole % 2 == 1 then
            names[#names + 1] = register.bits and register.bits[bit] or "bit " .. bit
        end
        whole, bit = floor(whole / 2), bit + 1
    end
    return #names > 0 and concat(names, ", ") or "none"
end

function READERS.date(register, value)
    if register.step > 0 then
        local count = number(value, 10)
        return count and since(register.epoch, count * register.step)
    end
    local found, at = {}, 1
    for _, part in ipairs(register.format) do
        local piece = sub(value, at, at + #part[2] - 1)
        at = at + #part[2]
        if #piece < #part[2] or (part[1] == "" and piece ~= part[2]) then
            return nil
        end
        if part[1] ~= "" and part[1] ~= "?" then
            if not find(piece, "^%d+$") then
                return nil
            end
            found[part[1]] = piece
        end
    end
    return at == #value + 1 and shown_date(found) or nil
end

-- Meaning: what the profile makes of a message ------------------------------------------------------------------------

local WORDS = { "confirmed", "derived", "assumed" }

-- The register of an id, and which historic value of it the id asks for.
local function find_register(id)
    local register = PROFILE.registers[id]
    if register or not PROFILE.obis then
        return register
    end
    local code, history = gsub(gsub(id, "^[01]%-0:", ""), "^1%-1:", ""), nil
    local plain, mark, digits = match(code, "^([^:*&]+)([*&])(%d+)$")
    if plain and #digits <= 3 then
        code = plain
        history = tonumber(digits) ~= 255 and digits or nil
    elseif mark or not find(code, "^[^:*&]+$") then
        return nil
    end
    return PROFILE.registers[code], history
end

local function identification(message, doubt)
    local rank = RANK[PROFILE.identification.confidence]
    local letters = message["vtc.id.manufacturer"]
    message.maker = letters and MANUFACTURERS[letters:upper()]
    if message.maker then
        doubt("vtc.id.manufacturer.name", rank)
    end
    local rest = message["vtc.id.text"] or ""
    message.id_fields = {}
    for _, part in ipairs(PROFILE.identification.fields) do
        if #rest < part.length then
            break
        end
        message.id_fields[#message.id_fields + 1] = part.name .. "=" .. sub(rest, 1, part.length)
        rest = sub(rest, part.length + 1)
    end
    if #message.id_fields > 0 then
        doubt("vtc.id.field", rank)
    end
end

local function meaning(message)
    local stated = PROFILE.messages[message.name]
    if not stated then
        message.confidence = WORDS[1]
        return
    end
    local weakest = RANK[stated]
    local doubts = { ["vtc.message"] = weakest }
    local function doubt(field, rank)
        doubts[field] = max(doubts[field] or 1, rank)
        weakest = max(weakest, rank)
    end
    identification(message, doubt)
    for _, set in ipairs(message.sets or {}) do
        local register, history = find_register(set.register)
        if register then
            message.named = true
            set.name = history and register.name .. ", historic value " .. history or register.name
            local rank = RANK[register.confidence]
            doubt("vtc.register.name", rank)
            local values = PROFILE.tables[register.table]
            local word, count
            if values then
                count = number(set.value, register.base)
                word = count and values.words[count]
                rank = max(rank, RANK[values.added[count or 0] or values.confidence])
            elseif READERS[register.type] then
                word = READERS[register.type](register, set.value, set.unit)
            end
            if word then
                message.decoded = message.decoded or word ~= ""
                set.word = word
                doubt("vtc.value.decoded", rank)
                if register.table == "tokenStatus" and not message.status then
                    message.status, message.status_name, message.status_set = count, word, set
                    doubt("vtc.status.token", rank)
                    doubt("vtc.status.token.name", rank)
                end
            end
        end
    end
    for _, set in ipairs(message.sets or {}) do
        local register = PROFILE.registers[set.register]
        local token = recognise(set, register and register.token)
        if token then
            local proven = token.class == 1 and token.status == "good"
            local rank = register and not proven and RANK[register.confidence] or token.rank
            doubt("vtc.token", max(rank, token.rank))
            doubt("vtc.token.encoding", rank)
            message.token = token
            break
        end
    end
    message.confidence = WORDS[weakest]
    message.assumed = {}
    for _, field in ipairs(FIELDS) do
        if doubts[field.name] == 3 then
            message.assumed[#message.assumed + 1] = field.name
            message.assumed[field.name] = true
        end
    end
end

-- The tree ------------------------------------------------------------------------------------------------------------

-- A time of so many nanoseconds; never negative here.
local function interval(ns)
    local seconds = floor(ns / 1e9)
    return NSTime(seconds, floor(ns - seconds * 1e9))
end

local function add(tree, field, range, value)
    local item = tree:add(fields[field], range, value)
    if generated[field] then
        item:set_generated()
    end
    return item
end

local SENDERS = { [0] = "unknown", "client", "server" }
local RECEIVERS = { unknown = "unknown", client = "server", server = "client" }
local RECORD_KINDS = { [0] = "frame", "noise", "event" }
local PARITIES = { [0] = "N", "E", "O", "M", "S" }
-- Private addresses that stand for the two sides, for what Wireshark draws of a conversation (Flow Graph).
local ADDRESSES = { client = Address.ip("10.0.0.1"), server = Address.ip("10.0.0.2"), unknown = Address.ip("10.0.0.3") }

local function line_name(octet)
    local bits, parity = rshift(octet, 4), PARITIES[band(rshift(octet, 1), 7)]
    if bits < 5 or bits > 8 or not parity then
        return nil
    end
    return bits .. parity .. (1 + octet % 2)
end

-- The header's 16- and 32-bit numbers, by their offsets.
local function u16(raw, offset)
    local a, b = byte(raw, offset + 1, offset + 2)
    return a * 256 + b
end

local function u32(raw, offset)
    local a, b, c, d = byte(raw, offset + 1, offset + 4)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

-- Positions, pauses and the event, from the header's options; nil where the header is damaged.
local function options(raw, length)
    local found = { parity = {}, framing = {}, pauses = {} }
    local at = HEADER
    while at + 4 <= length do
        local number, size = u16(raw, at), u16(raw, at + 2)
        at = at + 4
        if at + size > length then
            return nil
        end
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
        end
        at = at + size + (-size) % 4
    end
    return found
end

local FLAGS = {
    { 4, "vtc.error.break", "break_" },
    { 8, "vtc.error.overrun", "overrun" },
    { 16, "vtc.cut", "cut" },
    { 128, "vtc.echo", "echo" },
    { 32, "vtc.order.uncertain" },
    { 64, "vtc.time.synthetic" },
}

local function show_header(tree, tvb, raw, head, found, place)
    local top = tree:add(tvb(0, head.length), "Tap header")
    add(top, "vtc.kind", tvb(3, 1), head.kind)
    add(top, "vtc.sender", tvb(8, 1), head.sender)
    if head.inferred then
        add(top, "vtc.sender.inferred", tvb(8, 1), true)
    end
    add(top, "vtc.link", tvb(9, 1), byte(raw, 10))
    add(top, "vtc.tap", tvb(10, 1), byte(raw, 11))
    if head.speed > 0 then
        add(top, "vtc.speed", tvb(16, 4), head.speed)
    end
    local line = line_name(byte(raw, 12))
    if line then
        add(top, "vtc.line", tvb(11, 1), line)
    end
    add(top, "vtc.duration", tvb(24, 8), interval(head.duration))
    if head.uncertainty ~= 0xFFFFFFFF then
        add(top, "vtc.uncertainty", tvb(20, 4), interval(head.uncertainty))
    end
    if place.gap then
        add(top, "vtc.gap", tvb(0, 0), interval(place.gap))
    end
    for _, pause in ipairs(found.pauses) do
        add(top, "vtc.pause", tvb(pause[2], 8), interval(pause[1] * 1000))
    end
    for _, wrong in ipairs(found.parity) do
        add(top, "vtc.error.parity", tvb(wrong[2], 2), wrong[1])
    end
    for _, wrong in ipairs(found.framing) do
        add(top, "vtc.error.framing", tvb(wrong[2], 2), wrong[1])
    end
    if #found.parity > 0 then
        top:add_proto_expert_info(experts.parity)
    end
    if #found.framing > 0 then
        top:add_proto_expert_info(experts.framing)
    end
    for _, flag in ipairs(FLAGS) do
        if band(head.flags, flag[1]) ~= 0 then
            local item = add(top, flag[2], tvb(12, 2), true)
            if flag[3] then
                item:add_proto_expert_info(experts[flag[3]])
            end
        end
    end
    if found.event and #found.event > 0 then
        local space = find(found.event, " ", 1, true)
        local range = tvb(found.event_at, found.event_size)
        add(top, "vtc.event", range, space and sub(found.event, 1, space - 1) or found.event)
        if space and space < #found.event then
            add(top, "vtc.event.detail", range, sub(found.event, space + 1))
        end
    end
end

local function sure(message, field)
    return message.assumed and message.assumed[field] and " [assumed]" or ""
end

-- How much the information column shows.
local MAX_SETS, MAX_NOISE = 4, 32

local function set_text(set)
    return set.register .. "(" .. set.value .. (set.unit ~= "" and "*" .. set.unit or "") .. ")"
end

-- The data sets as the information column shows them.
local function sets_text(message)
    local words = {}
    for number, set in ipairs(message.sets) do
        if number > MAX_SETS then
            words[#words + 1] = "... " .. #message.sets - MAX_SETS .. " more data sets"
            break
        end
        local doubted = message.assumed["vtc.register.name"]
        local name = set.name and " " .. set.name .. (doubted and "?" or "") or ""
        local word = set.word and "=" .. set.word or ""
        if set.word and not doubted and message.assumed["vtc.value.decoded"] then
            word = word .. "?"
        end
        words[#words + 1] = set_text(set) .. name .. word
    end
    return concat(words, " ")
end

local function info(message)
    local words = { message.name or "continued" }
    for _, entry in ipairs(message) do
        words[#words + 1] = entry[2]
    end
    if message.maker then
        words[#words + 1] = "(" .. message.maker .. (message.assumed["vtc.id.manufacturer.name"] and "?" or "") .. ")"
    end
    if message.sets and #message.sets > 0 then
        words[#words + 1] = sets_text(message)
    end
    words[#words + 1] = message.text
    if message.token then
        local status = message.token.status
        words[#words + 1] = "token" .. (message.assumed["vtc.token"] and "?" or "") .. ": " .. message.token.name
            .. (status == "bad" and ", bad CRC" or status == "encrypted" and ", encrypted" or "")
    end
    if message.bcc_status == "bad" then
        words[#words + 1] = format("[bad check character %02Xh, not %02Xh]", message.bcc, message.bcc_expected)
    elseif message.crc_status == "bad" then
        words[#words + 1] = "[bad CRC]"
    end
    return concat(words, " ")
end

local function show_sets(tree, body, message)
    for number, set in ipairs(message.sets) do
        local name = set.name and " " .. set.name .. sure(message, "vtc.register.name") or ""
        local title = "Data set " .. number .. ": " .. set_text(set) .. name
        local top = tree:add(body(set.first - 1, set.last - set.first + 1), title)
        add(top, "vtc.register", body(set.first - 1, set.open - set.first), set.register)
        add(top, "vtc.value", body(set.open, set.length), set.value)
        add(top, "vtc.unit", body(set.after - 1 - set.unit_length, set.unit_length), set.unit)
        if message.named then
            add(top, "vtc.register.name", body(set.first - 1, set.open - set.first), set.name or "")
                :append_text(set.name and sure(message, "vtc.register.name") or "")
        end
        if message.decoded then
            add(top, "vtc.value.decoded", body(set.open, set.length), set.word or "")
                :append_text(set.word and sure(message, "vtc.value.decoded") or "")
        end
    end
end

local function show_place(tree, nowhere, place)
    for _, entry in ipairs({ { "vtc.request_in", place.request_in }, { "vtc.response_in", place.response_in },
        { "vtc.response_time", place.response_time and interval(place.response_time) },
        { "vtc.repeat_of", place.repeat_of }, { "vtc.session", place.session } }) do
        if entry[2] then
            local item = add(tree, entry[1], nowhere, entry[2])
            if entry[1] == "vtc.repeat_of" then
                item:add_proto_expert_info(experts.repeated)
            end
        end
    end
end

local function show_checks(tree, body, message, octets)
    if message.bcc_status then
        local range = message.bcc_at and body(message.bcc_at - 1, 1) or body(#octets, 0)
        if message.bcc then
            add(tree, "vtc.bcc", range, message.bcc):append_text(format(" (%02Xh)", message.bcc))
        end
        if message.bcc_expected then
            add(tree, "vtc.bcc.expected", range, message.bcc_expected)
                :append_text(format(" (%02Xh)", message.bcc_expected))
        end
        local status = add(tree, "vtc.bcc.status", range, message.bcc_status)
        if message.bcc_rule then
            add(tree, "vtc.bcc.rule", range, message.bcc_rule)
        end
        if message.bcc_status == "bad" then
            status:add_proto_expert_info(experts.bcc_bad)
        elseif message.bcc_status == "missing" then
            status:add_proto_expert_info(experts.bcc_missing)
        end
    end
    if message.crc_status then
        local range = message.crc_at and body(message.crc_at - 1, message.crc_length) or body(#octets, 0)
        if message.crc then
            add(tree, "vtc.crc", range, message.crc):append_text(format(" (%04Xh)", message.crc))
        end
        local status = add(tree, "vtc.crc.status", range, message.crc_status)
        if message.crc_status == "bad" then
            status:add_proto_expert_info(experts.crc_bad)
        end
    end
end

local function show_token(tree, body, message)
    local token = message.token
    local range = body(token.set.open, token.set.length)
    local top = tree:add(range, "Token: " .. token.name .. (token.status == "good" and "" or token.status
        and ", " .. (token.status == "bad" and "bad CRC" or token.status) or ""))
    local function put_in(field, value)
        if value ~= nil then
            return add(top, field, range, value)
        end
    end
    put_in("vtc.token", token.digits):append_text(sure(message, "vtc.token"))
    put_in("vtc.token.encoding", token.encoding):append_text(sure(message, "vtc.token.encoding"))
    put_in("vtc.token.class", token.class)
    put_in("vtc.token.subclass", token.subclass)
    put_in("vtc.token.name", token.name)
    put_in("vtc.token.crc", token.crc)
    local status = put_in("vtc.token.crc.status", token.status)
    if token.status == "bad" then
        status:add_proto_expert_info(experts.token_crc)
    end
    put_in("vtc.token.control", token.control
        and UInt64.new(token.control % 4294967296, floor(token.control / 4294967296)))
    for _, test in ipairs(token.tests or {}) do
        put_in("vtc.token.control.name", test)
    end
    put_in("vtc.token.manufacturer", token.manufacturer)
    put_in("vtc.token.payload", token.payload)
end

local function show_message(tree, body, message, octets, place)
    local all = body(0, #octets)
    local top = tree:add(all, message.name or "Continued message")
    if message.name then
        local item = add(top, "vtc.message", all, message.name)
        item:append_text(sure(message, "vtc.message"))
        if message.name == "UndefinedCommand" then
            item:add_proto_expert_info(experts.undefined)
        end
    end
    for _, entry in ipairs(message) do
        local range = body(entry[3] - 1, entry[4] - entry[3] + 1)
        add(top, entry[1], range, entry[2])
        if entry[1] == "vtc.id.manufacturer" and message.maker then
            add(top, "vtc.id.manufacturer.name", range, message.maker)
                :append_text(sure(message, "vtc.id.manufacturer.name"))
        elseif entry[1] == "vtc.id.text" then
            for _, part in ipairs(message.id_fields) do
                add(top, "vtc.id.field", range, part):append_text(sure(message, "vtc.id.field"))
            end
        end
    end
    if message.sets then
        show_sets(top, body, message)
    end
    if message.error_code then
        add(top, "vtc.error.code", body(message.sets[1].open, #message.error_code), message.error_code)
    end
    if message.text then
        local first, last = message.text_first, message.text_last
        add(top, "vtc.text", body(first - 1, last - first + 1), message.text)
    end
    show_checks(top, body, message, octets)
    if message.status then
        local range = body(message.status_set.open, message.status_set.length)
        local item = add(top, "vtc.status.token", range, message.status)
        item:append_text(sure(message, "vtc.status.token"))
        add(top, "vtc.status.token.name", range, message.status_name)
            :append_text(sure(message, "vtc.status.token.name"))
        if REJECTED[message.status] then
            item:add_proto_expert_info(experts.rejected)
        end
    end
    if message.token then
        show_token(top, body, message)
    end
    show_place(top, body(0, 0), place)
    add(top, "vtc.confidence", body(0, 0), message.confidence)
    for _, field in ipairs(message.assumed or {}) do
        add(top, "vtc.assumed", body(0, 0), field)
    end
end

-- Packets -------------------------------------------------------------------------------------------------------------

-- What the frames before tell of each: its gap, and its place among them by the rules of vtctap's pairing. Packets come
-- in order on the first pass only; what was found then is kept by frame number.
local links, sessions, places, responses = {}, 0, {}, {}

function protocol.init()
    links, sessions, places, responses = {}, 0, {}, {}
end

local CALLS = { IDRequest = true, WakeUp = true }
local NOT_REPEATED = { ACK = true, NAK = true, WakeUp = true }

local function begin_session(link)
    sessions = sessions + 1
    link.session, link.opening, link.over = sessions, true, false
    link.request, link.last = nil, {}
end

-- Whether a side's frame repeats the one that it sent before.
local function repeats(link, sender, octets, before)
    local request, same = link.request, octets == before.octets
    if not request then
        return false
    elseif sender == "client" then
        return request.answer ~= "good" and (same or (before.damaged and request.answer == "NAK"))
    end
    local asked = link.last.client
    local asked_again = asked ~= nil and asked.repeats and asked.number < before.number
    return not request.answer and (request.is_nak or (same and asked_again))
end

local function pair(link, place, number, head, message, octets, start)
    local name, sender = message.name, head.sender
    if not name or head.echo or sender == "unknown" then
        if not name and sender == "client" and link.request then
            link.request.stop = start + head.duration
        end
        return
    end
    local before, repeated = link.last[sender], nil
    if before and not NOT_REPEATED[name] and repeats(link, sender, octets, before) then
        repeated = before
        place.repeat_of = before.number
    end
    if sender == "client" then
        local breaks = name == "BreakCommand"
        if not repeated and ((CALLS[name] and not link.opening) or (link.over and not breaks)) then
            begin_session(link)
        end
        link.opening, link.over = link.opening and CALLS[name], breaks
        if name ~= "WakeUp" then
            link.request = { number = number, stop = start + head.duration, synthetic = head.synthetic,
                is_nak = name == "NAK" }
        end
    else
        local request = link.request
        link.opening = false
        if request and not request.answer then
            request.answer = name == "NAK" and name or head.damaged and "damaged" or "good"
            place.request_in, responses[request.number] = request.number, number
            if request.stop <= start and not (request.synthetic or head.synthetic) then
                place.response_time = start - request.stop
            end
        end
    end
    if not NOT_REPEATED[name] then
        link.last[sender] = { number = place.repeat_of or number, octets = octets, damaged = head.damaged,
            repeats = repeated ~= nil }
    end
end

local function follow(pinfo, head, message, octets)
    local number = pinfo.number
    if pinfo.visited then
        return places[number]
    end
    -- Seconds since the first packet: a double holds their nanoseconds, but not those since 1970.
    local start = floor(pinfo.rel_ts * 1e9 + 0.5)
    local link = links[head.link]
    if not link then
        link = { last = {} }
        links[head.link] = link
    end
    local place = {}
    places[number] = place
    if link.stop and link.stop <= start and not head.synthetic then
        place.gap = start - link.stop
    end
    if not link.session or start - link.stop > SESSION_TIMEOUT then
        begin_session(link)
    end
    link.stop = start + head.duration
    pair(link, place, number, head, message, octets, start)
    place.session = link.session
    return place
end

local function show_columns(pinfo, head, text)
    pinfo.cols.protocol = "VTC"
    pinfo.cols.info = text
    local receiver = RECEIVERS[head.sender]
    pinfo.net_src, pinfo.net_dst = ADDRESSES[head.sender], ADDRESSES[receiver]
    pinfo.cols.src, pinfo.cols.dst = head.sender, receiver
end

function protocol.dissector(tvb, pinfo, tree)
    local size = tvb:len()
    if size < HEADER then
        return 0
    end
    local raw = tvb:raw()
    local length = u32(raw, 4)
    if sub(raw, 1, 2) ~= "VT" or byte(raw, 3) ~= 1 or byte(raw, 4) > 2 or length % 4 ~= 0 or length < HEADER
        or length > size then
        return 0
    end
    local found = options(raw, length)
    if not found then
        return 0
    end
    local sender = byte(raw, 9)
    local head = {
        length = length,
        kind = RECORD_KINDS[byte(raw, 4)],
        sender = SENDERS[band(sender, 3)] or "unknown",
        inferred = sender >= 128,
        link = byte(raw, 10),
        flags = u16(raw, 12),
        speed = u32(raw, 16),
        uncertainty = u32(raw, 20),
        duration = u32(raw, 24) * 4294967296.0 + u32(raw, 28),
    }
    local octets = sub(raw, length + 1)
    local message, text
    local place = {}
    if head.kind == "frame" then
        message = decode(octets)
        meaning(message)
        head.synthetic, head.echo = band(head.flags, 64) ~= 0, band(head.flags, 128) ~= 0
        head.damaged = band(head.flags, 19) ~= 0 or message.bcc_status == "bad" or message.crc_status == "bad"
        place = follow(pinfo, head, message, octets)
        text = info(message)
            .. (band(head.flags, 16) ~= 0 and " [cut]" or "")
            .. (#found.parity > 0 and " [wrong parity]" or "")
    elseif head.kind == "noise" then
        local more = #octets - MAX_NOISE
        text = "noise " .. show(sub(octets, 1, MAX_NOISE)) .. (more > 0 and " ... " .. more .. " more octets" or "")
    else
        text = found.event or ""
    end
    show_columns(pinfo, head, text)
    local top = tree:add(protocol, tvb(), "Virtual token carrier, " .. text)
    show_header(top, tvb, raw, head, found, place)
    if message then
        place.response_in = responses[pinfo.number]
        show_message(top, function(at, count) return tvb(length + at, count) end, message, octets, place)
    elseif #octets > 0 then
        top:add(tvb(length), "Octets: " .. show(octets))
    end
    return size
end

DissectorTable.get("wtap_encap"):add(ENCAPSULATION, protocol)
