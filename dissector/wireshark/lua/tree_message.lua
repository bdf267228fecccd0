-- The trees of the parts of the current message; tree.lua selects them.

local show_part = {}

function show_part.parts(tree)
    local message, base = view.message, view.base
    for _, entry in ipairs(message) do
        local field, at, size = entry[1], entry[3] - 1, entry[4] - entry[3] + 1
        add(tree, field, base + at, size, entry[2])
        if field == "vtc.id.manufacturer" and message.maker then
            say(tree, "vtc.id.manufacturer.name", at, size, message.maker)
        elseif field == "vtc.id.text" and message.id_fields then
            for _, part in ipairs(message.id_fields) do
                say(tree, "vtc.id.field", at, size, part)
            end
        end
    end
end

local function show_set(tree, number, set)
    local message, base, whole = view.message, view.base, view.whole
    local register_at, register_size, value_at = set.first - 1, set.open - set.first, set.open
    local value_size = #set.raw
    local unit_size = max(0, set.after - set.open - 2 - value_size)
    if whole and not set.title then
        set.title = "Data set " .. number .. ": " .. set_text(set) .. (set.name and " " .. set.name
            .. (message.assumed["vtc.register.name"] and " [assumed]" or "") or "")
    end
    local top = group(tree, "vtc.set", base + register_at, set.last - set.first + 1, set.title)
    add(top, "vtc.register", base + register_at, register_size, set.register)
    if message.asked then
        add(top, "vtc.register.asked", base + register_at, register_size, set.asked)
    end
    if set.name then
        say(top, "vtc.register.name", register_at, register_size, set.name)
    elseif message.named then
        add(top, "vtc.register.name", base + register_at, register_size, "")
    end
    add(top, "vtc.value", base + value_at, value_size, set.value)
    if set.word and message.decoded then
        say(top, "vtc.value.decoded", value_at, value_size, set.word)
    elseif message.decoded then
        add(top, "vtc.value.decoded", base + value_at, value_size, "")
    end
    add(top, "vtc.unit", base + set.after - 1 - unit_size, unit_size, set.unit)
end

function show_part.sets(tree)
    for count, set in ipairs(view.message.sets or {}) do
        show_set(tree, count, set)
    end
end

function show_part.rest(tree)
    local message, base = view.message, view.base
    if message.error_code then
        add(tree, "vtc.error.code", base + message.sets[1].open, #message.error_code, message.error_code)
    end
    if message.text then
        local first, last = message.text_first, message.text_last
        add(tree, "vtc.text", base + first - 1, last - first + 1, message.text)
    end
end

local BCC_EXPERTS = { bad = "bcc_bad", missing = "bcc_missing" }

local function show_sequence(tree, name, size, complete)
    local message, base = view.message, view.base
    local status, at = message[name .. "_status"], message[name .. "_at"]
    local first, width = at and at - 1 or size, at and 2 or 0
    if at then
        add(tree, "vtc." .. name, base + first, width, message[name])
    end
    local item = status and add(tree, "vtc." .. name .. ".status", base + first, width, status)
    -- One expert info per frame: a damaged header makes both check sequences wrong.
    if complete and status == "bad" and (name == "hcs" or message.hcs_status ~= "bad") then
        complain(tree, item, "fcs_bad")
    end
end

function show_part.checks(tree, size, complete)
    local message, base = view.message, view.base
    local status = message.bcc_status
    if status then
        local at, width = message.bcc_at and message.bcc_at - 1 or size, message.bcc_at and 1 or 0
        if message.bcc then
            add(tree, "vtc.bcc", base + at, width, message.bcc)
        end
        if message.bcc_expected then
            add(tree, "vtc.bcc.expected", base + at, width, message.bcc_expected)
        end
        local item = add(tree, "vtc.bcc.status", base + at, width, status)
        if message.bcc_rule then
            add(tree, "vtc.bcc.rule", base + at, width, message.bcc_rule)
        end
        if complete and BCC_EXPERTS[status] then
            complain(tree, item, BCC_EXPERTS[status])
        end
    end
    if message.crc_status then
        local at, width = message.crc_at and message.crc_at - 1 or size, message.crc_at and message.crc_length or 0
        if message.crc then
            add(tree, "vtc.crc", base + at, width, message.crc)
        end
        local item = add(tree, "vtc.crc.status", base + at, width, message.crc_status)
        if complete and message.crc_status == "bad" then
            complain(tree, item, "bcc_bad", "crc_bad")
        end
    end
    show_sequence(tree, "hcs", size, complete)
    show_sequence(tree, "fcs", size, complete)
end

-- The fields of a token, in catalogue order: the token's name for it, and whether it has 64 bits.
local TOKEN_FIELDS = {}
for _, field in ipairs(FIELDS) do
    local key = match(field.name, "^vtc%.token%.(.+)$")
    if key then
        TOKEN_FIELDS[#TOKEN_FIELDS + 1] = { key = gsub(key, "%.", "_"), name = field.name, wide = field.bits == 64 }
    end
end

local function show_token(tree)
    local token = view.message.token
    local at, size = token.set.open, #token.set.raw
    local top = say(tree, "vtc.token", at, size, token.digits) or tree
    for _, row in ipairs(TOKEN_FIELDS) do
        local found, field = token[row.key], row.name
        for _, value in ipairs(type(found) == "table" and found or { found }) do
            value = row.wide and UInt64.new(value % 4294967296, floor(value / 4294967296)) or value
            local item = say(top, field, at, size, value)
            if field == "vtc.token.crc.status" and value == "bad" then
                complain(top, item, "token_crc")
            end
        end
    end
end

-- Shows the profile's results for single data sets.
local function show_meant(tree)
    for _, meant in ipairs(view.message.meant) do
        local field, value, set = meant[1], meant[2], meant[3]
        local item = say(tree, field, set.open, #set.raw, value)
        local fault = field == "vtc.status.token" and OUTCOME_EXPERTS[view.message.outcome]
        if fault then
            complain(tree, item, fault)
        end
    end
end

function show_part.meaning(tree)
    if view.message.meant then
        show_meant(tree)
    end
    if view.message.token then
        show_token(tree)
    end
end

function show_part.place(tree, _, _, number)
    local place, place_at = where()
    local request_in, response_in = place.request_in[place_at], later_of("response_in", number)
    local token_in, status_in = place.token_in[place_at], later_of("status_in", number)
    local time, repeat_of, faults = place.response_time[place_at], place.repeat_of[place_at], faults_of(number)
    if request_in ~= 0 then
        conclude(tree, "vtc.request_in", request_in)
    end
    if response_in ~= 0 then
        conclude(tree, "vtc.response_in", response_in)
    end
    if time >= 0 and (faults ~= 0 or asked("vtc.response_time")) then
        local item = conclude(tree, "vtc.response_time", interval(time))
        local fault = TIMING_FAULTS[faults % SILENT]
        if fault then
            complain(tree, item, fault)
        end
    end
    if faults >= SILENT then
        complain(tree, nil, "no_response")
    end
    if repeat_of ~= 0 then
        complain(tree, conclude(tree, "vtc.repeat_of", repeat_of), "repeat")
    end
    if token_in ~= 0 then
        conclude(tree, "vtc.status.token_in", token_in)
    end
    if status_in ~= 0 then
        conclude(tree, "vtc.token.status_in", status_in)
    end
    conclude(tree, "vtc.session", place.session[place_at])
end

function show_part.sources(tree)
    local message = view.message
    conclude(tree, "vtc.confidence", message.confidence)
    if message.assumed and asked("vtc.assumed") then
        sort(message.assumed)
        for _, number in ipairs(message.assumed) do
            conclude(tree, "vtc.assumed", FIELDS[number].name)
        end
    end
end

return show_part
