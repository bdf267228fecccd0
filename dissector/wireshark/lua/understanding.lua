-- Understanding: messages with their meaning, cached by their octets and by the registers that their requests named.

-- Caches the results of a function of one string, which returns nil for none. A full newer half replaces the older
-- half, whose table is emptied and filled again, since a new one would grow step by step.
local function remembering(work, half)
    local newer, older, count = {}, {}, 0
    return function(key)
        local value = newer[key]
        if value == nil then
            value = older[key]
            if value == nil then
                value = work(key) or false
            end
            if count == half then
                older, newer, count = newer, older, 0
                for old in next, newer do
                    newer[old] = nil
                end
            end
            newer[key], count = value, count + 1
        end
        return value
    end
end

local function with_meaning(message)
    meaning(message)
    message.faulty = message.bcc_status == "bad" or message.bcc_status == "missing" or message.crc_status == "bad"
        or message.bad_sequence
        or MESSAGE_EXPERTS[message.name] or OUTCOME_EXPERTS[message.outcome]
        or (message.token and message.token.crc_status == "bad")
    return message
end

-- Decodes an answer from the registers that its request named, STX, and its octets. There is one register a line, empty
-- for a data set that names its own. (Registers are shown as text, without control characters.)
local function decode_answer(key)
    local registers, octets = match(key, "^([^\2]*)\2(.*)$")
    local message, number = decode(octets), 0
    message.asked = true
    for register in string.gmatch(registers, "([^\n]*)\n") do
        number = number + 1
        message.sets[number].asked = register
    end
    return with_meaning(message)
end

-- Cleared whenever the user selects another profile.
local understood, answers, understood_by

-- The message of a frame's octets; "registers" are those that its request named, nil for none.
local function understand(octets, registers)
    if understood_by ~= PROFILE then
        understood = remembering(function(each) return with_meaning(decode(each)) end, 128)
        answers, understood_by = remembering(decode_answer, 128), PROFILE
    end
    return registers and answers(registers .. "\2" .. octets) or understood(octets)
end

return remembering, understand
