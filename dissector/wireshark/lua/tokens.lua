-- Tokens (IEC 62055-41).

-- The certainty of a source.
local RANK = { confirmed = 1, derived = 2, assumed = 3 }

-- A token's number as nine octets, the highest first, since Lua's numbers do not hold 66 bits; nil for no token.
local NUMBERS = {}

local function shift_in(number, factor, digit)
    for at = #number, 1, -1 do
        local value = number[at] * factor + digit
        number[at] = value % 256
        digit = floor(value / 256)
    end
    return digit
end

-- Reads a number from digits, "width" at a time; "factor" is the value range of one such group.
local function number_of(text, width, factor, value)
    local number, over = { 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 0
    for at = 1, #text, width do
        over = over + shift_in(number, factor, value(sub(text, at, at + width - 1)))
    end
    return over == 0 and number[1] < 4 and number or nil
end

local function hexadecimal_digit(digit)
    return tonumber(digit, 16)
end

function NUMBERS.decimal(value)
    return #value == 20 and find(value, "^%d+$") and number_of(value, 5, 100000, tonumber) or nil
end

function NUMBERS.hexadecimal(value)
    return #value == 17 and find(value, "^%x+$") and number_of(value, 1, 16, hexadecimal_digit) or nil
end

function NUMBERS.packed(value)
    return #value == 10 and not has_high(value) and number_of(value, 1, 128, byte) or nil
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

-- The fields of parts that are more than a number, by the part's name; "bits" is its width.
local PARTS = {}

-- The tests that a test token's control field requests.
function PARTS.control(token, control, bits)
    token.control = control
    if control == 2 ^ bits - 1 then
        token.control_name = { TOKENS.every }
        return
    end
    token.control_name = {}
    for bit_number = 0, bits - 1 do
        if floor(control / 2 ^ bit_number) % 2 == 1 then
            local test = TOKENS.control[bit_number]
            token.control_name[#token.control_name + 1] = test and test.name or "bit " .. bit_number
            token.rank = max(token.rank, test and RANK[test.confidence] or 1)
        end
    end
end

-- In halves, because "%X" may hold no more than 32 bits.
function PARTS.payload(token, payload, bits)
    local digits = format("%06X%06X", floor(payload / 16777216), floor(payload % 16777216))
    token.payload = sub(digits, -floor(bits / 4))
end

-- Reads the parts of a clear block between the subclass (4 bits) and the CRC, as their layout says.
local function read_parts(token, block, parts)
    local rest, unit = block[1] % 16, 2 ^ 44
    for at = 2, 6 do
        rest = rest * 256 + block[at]
    end
    for _, part in ipairs(parts) do
        unit = unit / 2 ^ part.bits
        local value = floor(rest / unit)
        rest = rest - value * unit
        if PARTS[part.name] then
            PARTS[part.name](token, value, part.bits)
        else
            token[part.name] = value
        end
    end
end

local LARGEST = "73786976294838206463"

-- The class of a token of 20 digits, nil for no token. Most tokens are encrypted, so nothing else of them is shown.
-- Bits 28 and 27 follow from the number modulo 2^29; groups of five digits stay below 2^53.
local function class_of(digits)
    if digits > LARGEST or not find(digits, "^%d+$") then
        return nil
    end
    local value = 0
    for at = 1, 16, 5 do
        value = (value * 100000 + tonumber(sub(digits, at, at + 4))) % 536870912
    end
    return floor(value / 134217728)
end

local function sealed_token(digits, encoding, class)
    return { digits = digits, encoding = encoding, class = class, name = TOKENS.classes[class], rank = 1,
        crc_status = class ~= 3 and "encrypted" or nil }
end

local function open_token(number, encoding, digits)
    -- The sixth octet holds bits 31 to 24: the class is bits 28 and 27. The first octet holds the data bits that the
    -- class displaced.
    local sixth = number[6]
    local class = floor(sixth / 8) % 4
    local token = sealed_token(digits or digits_of(number), encoding, class)
    if class ~= 1 then
        return token
    end
    local block = { unpack(number, 2) }
    block[5] = sixth - class * 8 + number[1] * 8
    local crc = crc16(char(class, unpack(block, 1, 6)), 7, 0xFFFF)
    local stored = block[7] * 256 + block[8]
    if stored ~= crc % 256 * 256 + floor(crc / 256) then
        token.crc_status = "bad"
        return token
    end
    token.crc_status, token.crc = "good", stored
    token.subclass = floor(block[1] / 16)
    local layout = TOKENS.subclasses[token.subclass]
    token.name, token.rank = layout.name, RANK[layout.confidence]
    read_parts(token, block, layout.parts)
    return token
end

local ANYWHERE = { "decimal", "hexadecimal" }

-- The token in a data set's value; without encodings from the profile, only a token that proves itself.
local function recognise(set, encodings)
    local value = set.raw
    local length = #value
    if length ~= 20 and length ~= 17 and length ~= 10 then
        return nil
    end
    for _, encoding in ipairs(encodings or ANYWHERE) do
        local token
        local class = encoding == "decimal" and length == 20 and class_of(value)
        if class and class ~= 1 then
            token = encodings and sealed_token(value, encoding, class)
        else
            local number = NUMBERS[encoding](value)
            token = number and open_token(number, encoding, encoding == "decimal" and value or nil)
        end
        if token and (encodings or token.class == 1 and token.crc_status == "good") then
            token.set = set
            return token
        end
    end
end

return recognise, RANK
