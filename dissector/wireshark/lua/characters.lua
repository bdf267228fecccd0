-- Characters and check characters.

local CONTROLS = { [0] = "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR",
    "SO", "SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS",
    "US", [127] = "DEL" }
local LESS_THAN = "<3C>"
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

-- Shows octets as text: printable ASCII unchanged, others as a name in angle brackets. A "<" that begins
-- what looks like such a name is shown by its number.
local function show(octets)
    if find(octets, "^[ -;=-~]*$") then
        return octets
    end
    return (gsub(gsub(octets, "<([0-9A-Z][0-9A-Z][0-9A-Z]?>)", LESS_THAN .. "%1"), "[^ -~]", SHOWN))
end

-- Whether an octet exceeds seven bits. (A pattern bound to the start runs over text faster than one that may begin
-- anywhere.)
local function has_high(octets)
    return not find(octets, "^[\0-\127]*$")
end

-- Whether octets received as eight bits are clearly seven bits with even parity.
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

-- The exclusive or of octets, computed in batches since a call costs more than an octet.
local function bcc_xor(structure, first, last)
    local value = 0
    for at = first, last, 128 do
        value = bxor(value, byte(structure, at, min(last, at + 127)))
    end
    return band(value, 127)
end

local function bcc_sum(structure, first, last)
    local value = 0
    for at = first, last do
        value = value + byte(structure, at)
    end
    return value % 128
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

-- The check sequence of HDLC (CRC-16/X.25) over octets[first..last].
local FCS16 = {}
for index = 0, 255 do
    local value = index
    for _ = 1, 8 do
        value = bxor(rshift(value, 1), band(value, 1) * 0x8408)
    end
    FCS16[index] = value
end

local function fcs16(octets, first, last)
    local value = 0xFFFF
    for at = first, last do
        value = bxor(rshift(value, 8), FCS16[band(bxor(value, byte(octets, at)), 255)])
    end
    return bxor(value, 0xFFFF)
end

return show, has_high, carries_even_parity, bcc_xor, bcc_sum, crc16, fcs16, SHOWN, SEVEN, LESS_THAN
