-- Columns: a message in one line. What is assumed has a question mark.

local MAX_SETS, MAX_NOISE = 4, 32

local function set_text(set)
    return set.unit == "" and set.register .. "(" .. set.value .. ")"
        or set.register .. "(" .. set.value .. "*" .. set.unit .. ")"
end

local function sets_text(message)
    local words, assumed = {}, message.assumed
    for number, set in ipairs(message.sets) do
        if number > MAX_SETS then
            words[number] = "... " .. #message.sets - MAX_SETS .. " more data sets"
            break
        end
        local doubted = assumed["vtc.register.name"]
        local text = set_text(set)
        if set.name then
            text = text .. " " .. set.name .. (doubted and "?" or "")
        end
        if set.word then
            text = text .. "=" .. set.word .. (not doubted and assumed["vtc.value.decoded"] and "?" or "")
        end
        words[number] = text
    end
    return concat(words, " ")
end

local function token_text(message)
    local token = message.token
    return "token" .. (message.assumed["vtc.token"] and "?" or "") .. ": " .. token.name
        .. (token.status == "bad" and ", bad CRC" or token.status == "encrypted" and ", encrypted" or "")
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
    words[#words + 1] = message.token and token_text(message)
    if message.bcc_status == "bad" then
        words[#words + 1] = format("[bad check character %02Xh, not %02Xh]", message.bcc, message.bcc_expected)
    elseif message.crc_status == "bad" then
        words[#words + 1] = "[bad CRC]"
    end
    return concat(words, " ")
end

local function noise_text(octets)
    local more = #octets - MAX_NOISE
    return "noise " .. show(sub(octets, 1, MAX_NOISE)) .. (more > 0 and " ... " .. more .. " more octets" or "")
end

local function hexadecimal(octets)
    return (gsub(octets, ".", function(octet) return format(" %02x", byte(octet)) end))
end

local function record_text(head, message, octets, found)
    local text
    if message then
        message.info = message.info or info(message)
        text = message.info
        if head.flags ~= 0 then
            text = text .. (band(head.flags, CUT) ~= 0 and " [cut]" or "")
                .. (#found.parity > 0 and " [wrong parity]" or "")
        end
    elseif head.kind == "noise" then
        text = noise_text(octets)
    else
        text = found.event or ""
    end
    if prefs.octets and #octets > 0 then
        text = text .. " |" .. hexadecimal(octets)
    end
    return text
end

-- Private addresses that stand for the two sides, for what Wireshark draws of a conversation (Flow Graph).
local ADDRESSES = { client = Address.ip("10.0.0.1"), server = Address.ip("10.0.0.2"), unknown = Address.ip("10.0.0.3") }
local RECEIVERS = { unknown = "unknown", client = "server", server = "client" }

local function give_addresses(pinfo, sender)
    pinfo.net_src, pinfo.net_dst = ADDRESSES[sender], ADDRESSES[RECEIVERS[sender]]
end

local function show_columns(columns, sender, text)
    columns.protocol, columns.info = "VTC", text
    columns.src, columns.dst = sender, RECEIVERS[sender]
end

return record_text, set_text, show_columns, give_addresses
