--@HEAD@
-- A record of vtctap is a tap header, followed by the octets of one message or of noise, or by an event
-- (docs/link-type.md). The decoding rules are those of vtctap's own decoder. The tables from its field catalogue and
-- from the profile come first; the code that reads them follows in parts, each under a rule with its name. A part
-- passes what it returns to the parts after it. Lua 5.2 to 5.4.

-- Wireshark accepts a protocol once. A second copy of this script, as when one is installed and another is named with
-- -X lua_script, does nothing: the first one loaded decodes.
local is_first, protocol = pcall(Proto, "vtc", "Virtual token carrier (IEC 62055-52) and IEC 62056-21")
if not is_first then
    return
end

--@TABLES@

local bxor, band, rshift = bit.bxor, bit.band, bit.rshift
local byte, char, find, format, sub = string.byte, string.char, string.find, string.format, string.sub
local gsub, match, rep = string.gsub, string.match, string.rep
local concat, sort = table.concat, table.sort
local abs, floor, max, min = math.abs, math.floor, math.max, math.min
local unpack = table.unpack or unpack
local arguments = { ... }

-- A tree's items soon become garbage; collecting them early, while they are few and in the cache, halves the time.
collectgarbage("setpause", 105)
collectgarbage("setstepmul", 2000)
local HEADER = 32

-- The active profile.
local PROFILE = PROFILES[1]

set_plugin_info({ version = VERSION, description = "Prepaid-meter links (IEC 62055-52), made by vtctap",
    author = "vtctap" })

-- Wireshark draws arrows for these links in its packet list.
local LINKS = { ["vtc.request_in"] = frametype.REQUEST, ["vtc.response_in"] = frametype.RESPONSE,
    ["vtc.repeat_of"] = frametype.RETRANS_PREV }

-- How to create a field, by its type in the catalogue. Narrow numbers are codes, so they are also shown in hexadecimal.
local TYPES = {
    string = function(name, title, about) return ProtoField.string(name, title, base.ASCII, about) end,
    enumeration = function(name, title, about) return ProtoField.string(name, title, base.ASCII, about) end,
    ["unsigned number"] = function(name, title, about, bits)
        return ProtoField["uint" .. bits](name, title, bits < 32 and base.DEC_HEX or base.DEC, nil, nil, about)
    end,
    number = function(name, title, about) return ProtoField.double(name, title, about) end,
    boolean = function(name, title, about) return ProtoField.bool(name, title, base.NONE, nil, nil, about) end,
    seconds = function(name, title, about) return ProtoField.relative_time(name, title, about) end,
    ["record number"] = function(name, title, about)
        return ProtoField.framenum(name, title, base.NONE, LINKS[name], nil, about)
    end,
}

local fields, generated, order = {}, {}, {}
for number, field in ipairs(FIELDS) do
    fields[field.name] = TYPES[field.type](field.name, field.title, field.about, field.bits)
    generated[field.name] = field.generated
    order[field.name] = number
end
-- The groups of fields in the tree and in tshark's JSON.
for name, title in pairs({ header = "Tap header", continued = "Continued message", set = "Data set",
    octets = "Octets" }) do
    fields["vtc." .. name] = ProtoField.none("vtc." .. name, title)
end
-- Former names of filters, kept for one more release; they are hidden.
local FORMERLY = {}
local function alias(name, about)
    fields["vtc.expert." .. name] = ProtoField.none("vtc.expert." .. name, about)
end
for _, row in ipairs(EXPERTS) do
    FORMERLY[row.name] = row.formerly
    if row.formerly then
        alias(row.formerly, row.title)
    end
end
alias("crc_bad", "Bad CRC")
protocol.fields = fields

-- The expert infos vtc.expert.NAME: vtctap's findings.
local experts = {}
for _, row in ipairs(EXPERTS) do
    experts[row.name] = ProtoExpert.new("vtc.expert." .. row.name, row.title, expert.group[row.group],
        expert.severity[row.severity])
end
protocol.experts = experts

-- Other dissectors can register for messages by name: DissectorTable.get("vtc.message"):add("HDLC", theirs) decodes
-- mode E.
local handlers = DissectorTable.new("vtc.message", "Message of a virtual token carrier", ftypes.STRING)

-- Limits in nanoseconds; the preferences are in milliseconds, where 0 selects the profile's limit.
local limits, addresses_wanted = {}, false
local prefs = protocol.prefs
if #PROFILES > 1 then
    local choices = {}
    for number, profile in ipairs(PROFILES) do
        choices[number] = { number, profile.name, number }
    end
    prefs.profile = Pref.enum("Profile", 1, "What registers, values and limits are taken from", choices, false)
end
prefs.char_gap = Pref.uint("Longest pause between characters (ms; 0: the profile's)", 0, "Longer ones are marked")
prefs.reaction_min = Pref.uint("Answer at the earliest after (ms; 0: the profile's)", 0, "Earlier ones are marked")
prefs.reaction_max = Pref.uint("Answer at the latest after (ms; 0: the profile's)", 0, "Later ones are marked")
prefs.octets = Pref.bool("Octets in the information column", false, "In hexadecimal, at the end")
prefs.addresses = Pref.bool("Addresses as source and destination", false,
    "What Flow Graph needs to draw client and server")

local function take_preferences()
    PROFILE = PROFILES[#PROFILES > 1 and prefs.profile or 1]
    local timing = PROFILE.timing
    limits.gap = prefs.char_gap > 0 and prefs.char_gap * 1e6 or timing.gap
    limits.least = prefs.reaction_min > 0 and prefs.reaction_min * 1e6 or timing.least
    limits.most = prefs.reaction_max > 0 and prefs.reaction_max * 1e6 or timing.most
    addresses_wanted = prefs.addresses
end
take_preferences()
protocol.prefs_changed = take_preferences
