-- Encodings: reads values by the rules of vtctap's encodings. Doubles hold every number here exactly.

-- Octets by their names; <FF> is the form feed, since lines of seven bits have no octet 255.
local CODES = { [LESS_THAN] = "<" }
for value = 255, 0, -1 do
    local name = SHOWN[char(value)]
    if name then
        CODES[name] = char(value)
    end
end

-- Whether a value in hexadecimal has the length that its register states.
local function fits(register, value)
    return register.octets == 0 or #value == 2 * register.octets
end

-- The whole number of an enumeration or of bits.
local function number(register, value, base)
    if not fits(register, value) then
        return nil
    elseif base == 10 then
        return find(value, "^%d+$") and #value < 10 and tonumber(value) or nil
    end
    return find(value, "^%x+$") and #value <= 13 and tonumber(value, 16) or nil
end

local function quantity(register, sign, digits, places, unit)
    local rest = ""
    if places < 0 then
        digits = digits .. rep("0", -places)
    elseif places > 0 then
        digits = rep("0", places + 1 - #digits) .. digits
        digits, rest = sub(digits, 1, #digits - places), "." .. sub(digits, #digits - places + 1)
    end
    local text = (sign == "-" and "-" or "") .. match(digits, "^0*(%d+)$") .. rest
    unit = unit ~= "" and unit or register.unit
    return unit ~= "" and text .. " " .. unit or text
end

-- Writes the parts of a date in the order of ISO 8601; nil for an impossible date or time.
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

-- The Gregorian date so many seconds after the start of a day; see vtctap's encodings.
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
    local whole = number(register, value, 16)
    return whole and quantity(register, "", format("%.0f", whole), -register.scale, unit)
end

function READERS.bcd(register, value, unit)
    if #value % 2 ~= 0 or #value > 64 or not find(value, "^%d+$") or not fits(register, value) then
        return nil
    end
    return quantity(register, "", value, -register.scale, unit)
end

function READERS.digits(register, value)
    local filler = register.digits > 0 and #value - register.digits or 0
    if #value > 64 or not find(value, "^%d+$") or filler < 0 or find(sub(value, 1, filler), "[^0]") then
        return nil
    end
    return sub(value, filler + 1)
end

-- The fields of a value, the most significant first. (Doubles hold its bits exactly.)
function READERS.fields(register, value)
    local rest, names = 0, {}
    for _, field in ipairs(register.fields) do
        rest = rest + field[2]
    end
    if 4 * #value ~= rest or not find(value, "^%x+$") then
        return nil
    end
    local whole = tonumber(value, 16)
    for _, field in ipairs(register.fields) do
        rest = rest - field[2]
        names[#names + 1] = field[1] .. format(" %.0f", floor(whole / 2 ^ rest) % 2 ^ field[2])
    end
    return concat(names, ", ")
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
    -- Goes from the last character to the first, four bits at a time; "held" counts the bits left over in "rest".
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
    local whole = number(register, value, register.base)
    if not whole then
        return nil
    end
    local names, bit = {}, 0
    while whole > 0 do
        if whole % 2 == 1 then
            names[#names + 1] = register.bits[bit] or "bit " .. bit
        end
        whole, bit = floor(whole / 2), bit + 1
    end
    return #names > 0 and concat(names, ", ") or "none"
end

function READERS.date(register, value)
    if register.step > 0 then
        local count = number(register, value, 10)
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

return READERS, number
