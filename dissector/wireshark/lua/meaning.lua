-- Meaning: looks up a message in the profile.

local WORDS = { "confirmed", "derived", "assumed" }

for _, profile in ipairs(PROFILES) do
    for _, register in pairs(profile.registers) do
        setmetatable(register, { __index = REGISTER })
    end
end

-- The register of an id, and the number of the historic value that the id names.
local function find_register(id)
    local register = PROFILE.registers[id]
    if register or not PROFILE.obis then
        return register
    end
    local code, count = gsub(id, "^[01]%-0:", "")
    local history
    if count == 0 then
        code = gsub(id, "^1%-1:", "")
    end
    local plain, mark, digits = match(code, "^([^:*&]+)([*&])(%d+)$")
    if plain and #digits <= 3 then
        code = plain
        history = tonumber(digits) ~= 255 and digits or nil
    elseif mark or not find(code, "^[^:*&]+$") then
        return nil
    end
    return PROFILE.registers[code], history
end

-- The sources of the current message: its assumed fields (by name, and by number in the catalogue), and the least
-- certain source.
local doubted, weakest

local function doubt(field, rank)
    if rank > weakest then
        weakest = rank
    end
    if rank == 3 and not doubted[field] then
        doubted[field] = true
        doubted[#doubted + 1] = order[field]
    end
end

-- Adds a field with the certainty "rank" to a data set.
local function mean(message, set, rank, field, value)
    if value ~= nil then
        message.meant = message.meant or {}
        message.meant[#message.meant + 1] = { field, value, set }
        doubt(field, rank)
    end
end

local function identification(message)
    local rank = RANK[PROFILE.identification.confidence]
    local letters = PROFILE.identification.flag and message["vtc.id.manufacturer"]
    message.maker = letters and MANUFACTURERS[letters:upper()]
    if message.maker then
        doubt("vtc.id.manufacturer.name", rank)
    end
    local rest = message["vtc.id.text"] or ""
    for _, part in ipairs(PROFILE.identification.fields) do
        if #rest < part.length then
            break
        end
        message.id_fields = message.id_fields or {}
        message.id_fields[#message.id_fields + 1] = part.name .. "=" .. sub(rest, 1, part.length)
        rest = sub(rest, part.length + 1)
    end
    if message.id_fields then
        doubt("vtc.id.field", rank)
    end
end

-- A value's meaning, its certainty, and its number where a table names it; nil without a meaning.
local function reading(register, set)
    local rank, values = RANK[register.confidence], PROFILE.tables[register.table]
    if values then
        local count = number(register, set.value, register.base)
        local word = count and values.words[count]
        return word, max(rank, RANK[values.added[count or 0] or values.confidence]), count
    end
    local reader = READERS[register.type]
    return reader and reader(register, set.value, set.unit), rank
end

-- The register of a data set: its own, or the one that the request named.
local function register_of(set)
    return find_register(set.register == "" and set.asked or set.register)
end

local function meaning_of_set(message, set)
    local register, history = register_of(set)
    if not register then
        return
    end
    message.named = true
    set.name = history and register.name .. ", historic value " .. history or register.name
    doubt("vtc.register.name", RANK[register.confidence])
    local word, rank, count = reading(register, set)
    if not word then
        return
    end
    message.decoded = message.decoded or word ~= ""
    set.word = word
    doubt("vtc.value.decoded", rank)
    if register.table == "tokenStatus" and not message.status then
        message.status, message.outcome = count, PROFILE.outcomes[count]
        mean(message, set, rank, "vtc.status.token", count)
        mean(message, set, rank, "vtc.status.token.name", word)
        mean(message, set, rank, "vtc.status.token.meaning", PROFILE.meanings[count])
        mean(message, set, rank, "vtc.status.token.outcome", message.outcome)
    end
end

local function token_of(message)
    for _, set in ipairs(message.sets) do
        local register = register_of(set)
        local token = recognise(set, register and register.tokens[1] and register.tokens)
        if token then
            local proven = token.class == 1 and token.crc_status == "good"
            local rank = register and not proven and RANK[register.confidence] or token.rank
            doubt("vtc.token", max(rank, token.rank))
            doubt("vtc.token.encoding", rank)
            return token
        end
    end
end

local function meaning(message)
    local stated = PROFILE.messages[message.name]
    if not stated then
        message.confidence = WORDS[1]
        return
    end
    doubted, weakest = {}, 1
    doubt("vtc.message", RANK[stated])
    if message["vtc.id.manufacturer"] or message["vtc.id.text"] then
        identification(message)
    end
    if message.asked then
        doubt("vtc.register.asked", 2)
    end
    if message.sets then
        for _, set in ipairs(message.sets) do
            meaning_of_set(message, set)
        end
        message.token = token_of(message)
    end
    message.confidence = WORDS[weakest]
    message.assumed = doubted
end

return meaning
