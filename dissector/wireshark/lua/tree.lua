-- The tree of a record: selects its parts and shows them in order.

-- The part of the tree that holds a field, by the first word of its name or by the whole name; a field without an entry
-- is in the tap header. Parts that nobody requests and that have no errors are skipped.
local PARTS = { message = "message", cmd = "parts", count = "parts", address = "parts", id = "parts",
    option = "parts",
    register = "sets", value = "sets", unit = "sets", set = "sets", bcc = "checks", crc = "checks",
    hcs = "checks", fcs = "checks", status = "meaning",
    token = "meaning", request_in = "place", response_in = "place", response_time = "place", repeat_of = "place",
    ["status.token_in"] = "place", ["token.status_in"] = "place", session = "place", confidence = "sources",
    assumed = "sources", text = "rest", ["error.code"] = "rest" }
-- The parts of a message in display order.
local ORDER = { "parts", "sets", "rest", "checks", "meaning", "place", "sources" }
local parts_wanted
-- Whether any part of a message is requested beyond its name.
local inside_wanted

-- Begins a run of packets that request these fields, by name.
local function want(names)
    ask_for(names)
    parts_wanted, inside_wanted = {}, false
    for name in pairs(names) do
        local rest = sub(name, 5)
        local part = PARTS[rest] or PARTS[match(rest, "^[^.]+")] or "header"
        parts_wanted[part] = true
        inside_wanted = inside_wanted or (part ~= "message" and part ~= "header")
    end
end

local function show_message(tree, head, size, message, number, troubled)
    view.base, view.message = head.length, message
    -- The form of a cut message or of an echo is not checked.
    local complete = not head.cut and not head.echo
    local name = message.name
    local top
    if name then
        top = say(tree, "vtc.message", 0, size, name) or tree
        local fault = MESSAGE_EXPERTS[name]
        if fault and (complete or name == "NAK") then
            complain(top, nil, fault)
        end
    else
        top = group(tree, "vtc.continued", view.base, size, "Continued message")
    end
    local every = view.whole or troubled
    if not every and not inside_wanted then
        return
    end
    for _, part in ipairs(ORDER) do
        if every or parts_wanted[part] then
            show_part[part](top, size, complete, number)
        end
    end
end

-- Shows a record; "troubled" says that it has an error. Returns the names of its errors, nil for none.
local function show_record(tree, number, head, found, message, octets, troubled)
    view.complaints = nil
    if view.whole or troubled or parts_wanted.header then
        show_header(tree, head, found)
    end
    if message then
        show_message(tree, head, #octets, message, number, troubled)
    elseif view.whole and #octets > 0 then
        group(tree, "vtc.octets", head.length, #octets, "Octets: " .. show(octets))
    end
    return view.complaints
end

return want, show_record
