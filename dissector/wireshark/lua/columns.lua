-- Columns: a message in one line. A question mark follows what is assumed. Text of the wire that could be taken for
-- vtctap's own is in double quotes.

local MAX_SETS, MAX_NOISE = 4, 32

local function quoted(text)
    return '"' .. gsub(text, '["\\]', "\\%0") .. '"'
end

local function told(text)
    return find(text, '^[^%]%[ "=?(),]*$') and text or quoted(text)
end

local function set_text(set)
    local register = told(set.register)
    return set.bare and register or set.unit == "" and register .. "(" .. set.value .. ")"
        or register .. "(" .. set.value .. "*" .. set.unit .. ")"
end

-- A data set with the names of its register and value.
local function read_text(set, assumed)
    local doubted = assumed["vtc.register.name"]
    local name = set.name and " " .. set.name .. (doubted and "?" or "") or ""
    local word = set.word and "=" .. set.word .. (not doubted and assumed["vtc.value.decoded"] and "?" or "") or ""
    return " " .. set_text(set) .. name .. word
end

local function sets_text(message)
    local sets, text = message.sets, ""
    for number = 1, min(#sets, MAX_SETS) do
        text = text .. read_text(sets[number], message.assumed)
    end
    local more = #sets - MAX_SETS
    return more > 0 and text .. " ... " .. more .. " more data sets" or text
end

local function token_text(message)
    local token = message.token
    return " token" .. (message.assumed["vtc.token"] and "?" or "") .. ": " .. token.name
        .. (token.crc_status == "bad" and ", bad CRC" or token.crc_status == "encrypted" and ", encrypted" or "")
end

local function info(message)
    local text = message.name or "continued"
    for at = 1, #message do
        if message[at][1] ~= "vtc.count" then
            text = text .. " " .. told(message[at][2])
        end
    end
    if message.maker then
        text = text .. " (" .. message.maker .. (message.assumed["vtc.id.manufacturer.name"] and "?" or "") .. ")"
    end
    text = message.sets and text .. sets_text(message) or text
    text = message["vtc.count"] and text .. " count " .. message["vtc.count"] or text
    text = message.text and text .. " " .. quoted(message.text) or text
    text = message.token and text .. token_text(message) or text
    if message.bcc_status == "bad" then
        return text .. format(" [bad check character %02Xh, not %02Xh]", message.bcc, message.bcc_expected)
    end
    text = message.crc_status == "bad" and text .. " [bad CRC]" or text
    text = message.hcs_status == "bad" and text .. " [bad HCS]" or text
    return message.fcs_status == "bad" and text .. " [bad FCS]" or text
end

local function noise_text(octets)
    local more = #octets - MAX_NOISE
    return "noise " .. told(show(sub(octets, 1, MAX_NOISE))) .. (more > 0 and " ... " .. more .. " more octets" or "")
end

local function hexadecimal(octets)
    return (gsub(octets, ".", function(octet) return format(" %02x", byte(octet)) end))
end

local function record_text(head, message, octets, found)
    local text
    if message then
        message.info = message.info or info(message)
        text = message.info
        if head.flagged then
            text = text .. (head.cut and " [cut]" or "") .. (#found.parity > 0 and " [wrong parity]" or "")
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

-- Private addresses for the two sides, for Wireshark's drawing of a conversation (Flow Graph).
local ADDRESSES = { client = Address.ip("10.0.0.1"), server = Address.ip("10.0.0.2"), unknown = Address.ip("10.0.0.3") }
local RECEIVERS = { unknown = "unknown", client = "server", server = "client" }

local function give_addresses(pinfo, sender)
    local from, to = ADDRESSES[sender], ADDRESSES[RECEIVERS[sender]]
    pinfo.net_src, pinfo.net_dst = from, to
    if addresses_wanted then
        pinfo.src, pinfo.dst = from, to
    end
end

local function show_columns(columns, sender, text)
    columns.protocol, columns.info = "VTC", text
    columns.src, columns.dst = sender, RECEIVERS[sender]
end

return record_text, set_text, show_columns, give_addresses
