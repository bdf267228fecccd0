-- Statistics and sessions as text: in Wireshark's windows (menu Tools, vtctap), and in tshark by -z vtc,stats and -z
-- vtc,session=N. Where -X lua_script loads this file, also by -X lua_script1:stats and lua_script1:session=N.

local function counted(counts, name)
    counts[name] = (counts[name] or 0) + 1
end

local function sorted(counts)
    local names = {}
    for name in pairs(counts) do
        names[#names + 1] = name
    end
    sort(names)
    return names
end

local function register_of(message)
    local set = message.sets and message.sets[1]
    if not set or set.register == "" then
        return message.name
    end
    local doubt = message.assumed["vtc.register.name"] and "?" or ""
    return set.register .. (set.name and " " .. set.name .. doubt or "")
end

-- Response times are under the request's register, or its message where it names none.
local function new_statistics()
    return { frames = 0, messages = { client = {}, server = {}, unknown = {} }, errors = {}, times = {}, asked = {} }
end

local function count_time(statistics, link, time)
    local register = statistics.asked[link]
    if not register or time < 0 then
        return
    end
    local times = statistics.times[register]
    if not times then
        times = { count = 0, sum = 0, least = time, most = time }
        statistics.times[register] = times
    end
    times.count, times.sum = times.count + 1, times.sum + time
    times.least, times.most = min(times.least, time), max(times.most, time)
end

local function count_record(statistics)
    local head, message = record.head, record.message
    for _, which in ipairs(record.complaints or {}) do
        counted(statistics.errors, which)
    end
    if not message then
        return
    end
    local place, at = where()
    statistics.frames = statistics.frames + 1
    counted(statistics.messages[head.sender], message.name or "continued")
    if head.sender == "client" and message.name and not NOT_REQUESTS[message.name] and not head.echo then
        statistics.asked[head.link] = register_of(message)
    elseif place.request_in[at] ~= 0 then
        count_time(statistics, head.link, place.response_time[at])
    end
end

local function statistics_text(statistics)
    local lines = { format("%d frames", statistics.frames), "", "Messages" }
    for _, sender in ipairs({ "client", "server", "unknown" }) do
        for _, name in ipairs(sorted(statistics.messages[sender])) do
            lines[#lines + 1] = format("  %-8s %-18s %8d", sender, name, statistics.messages[sender][name])
        end
    end
    lines[#lines + 1] = "\nErrors (vtc.expert.*)"
    for _, name in ipairs(sorted(statistics.errors)) do
        lines[#lines + 1] = format("  %-27s %8d", name, statistics.errors[name])
    end
    lines[#lines + 1] = "\nResponse times, ms                 answers      least       mean       most"
    for _, register in ipairs(sorted(statistics.times)) do
        local times = statistics.times[register]
        lines[#lines + 1] = format("  %-32s %7d %10.3f %10.3f %10.3f", register, times.count, times.least / 1e6,
            times.sum / times.count / 1e6, times.most / 1e6)
    end
    return concat(lines, "\n") .. "\n"
end

local function session_line(pinfo)
    local microseconds = floor(floor(pinfo.rel_ts * 1e9 + 0.5) / 1e3)
    return format("%6d %11.6f %-7s %s\n", record.number, microseconds / 1e6, record.head.sender,
        record_text(record.head, record.message, record.octets, record.found))
end

-- Taps: each reports text, which is rebuilt when packets are read again.

local function statistics_tap(show_text)
    local tap, statistics = Listener.new(nil, "vtc"), new_statistics()
    function tap.packet()
        count_record(statistics)
    end
    function tap.draw()
        show_text(statistics_text(statistics))
    end
    function tap.reset()
        statistics = new_statistics()
    end
    return tap
end

-- The session with number choice.wanted. show_text receives the text and the window's title.
local function session_tap(choice, show_text)
    local tap, lines, first, final = Listener.new(nil, "vtc"), {}, 0, 0
    choice.count = 0
    function tap.packet(pinfo)
        if record.message then
            local place, at = where()
            local session = place.session[at]
            choice.count = max(choice.count, session)
            if session == choice.wanted then
                first, final = #lines == 0 and record.number or first, record.number
                lines[#lines + 1] = session_line(pinfo)
            end
        end
    end
    function tap.draw()
        if #lines > 0 then
            show_text(concat(lines),
                format("Session %d of %d, packets %d to %d\n\n", choice.wanted, choice.count, first, final))
        else
            show_text("There is no session " .. choice.wanted .. ".\n")
        end
    end
    function tap.reset()
        lines, choice.count = {}, 0
    end
    return tap
end

local function print_text(text)
    print((gsub(text, "\n$", "")))
end

-- Windows. Each is refilled whenever Wireshark reads the packets again, as it does for a display filter.

local function open_window(title, start)
    local window = TextWindow.new(title)
    window:set("No packets yet.\n")
    local tap = start(function(text, head) window:set((head or "") .. text) end)
    window:set_atclose(function() tap:remove() end)
    retap_packets()
    return window
end

local function open_session(wanted)
    local choice = { wanted = wanted }
    local window = open_window("vtctap: session as text", function(show_text) return session_tap(choice, show_text) end)
    local function turn(step)
        return function()
            choice.wanted = max(1, min(choice.wanted + step, choice.count))
            retap_packets()
        end
    end
    window:add_button("Previous", turn(-1))
    window:add_button("Next", turn(1))
    window:add_button("Filter", function()
        set_filter("vtc.session == " .. choice.wanted)
        apply_filter()
    end)
end

-- The session of the first packet that the display filter shows, or of the first packet where it shows none.
local function session_in_view()
    local filter, found = get_filter(), nil
    local known, finder = pcall(Listener.new, nil, filter == "" and "vtc" or "vtc && (" .. filter .. ")")
    if not known then
        return 1
    end
    function finder.packet()
        if record.message and not found then
            local place, at = where()
            found = place.session[at]
        end
    end
    retap_packets()
    finder:remove()
    return found or 1
end

local function show_statistics()
    if gui_enabled() then
        open_window("vtctap: statistics", statistics_tap)
    else
        statistics_tap(print_text)
    end
end

local function show_session(wanted)
    if gui_enabled() then
        open_session(wanted)
    else
        session_tap({ wanted = wanted }, print_text)
    end
end

if gui_enabled() then
    register_menu("vtctap/Statistics", show_statistics, MENU_TOOLS_UNSORTED)
    register_menu("vtctap/Session as text", function() show_session(session_in_view()) end, MENU_TOOLS_UNSORTED)
    -- The packet's menu, from Wireshark 4.2 on.
    if register_packet_menu then
        register_packet_menu("vtctap/Session as text", function(...)
            local session
            for _, info in ipairs({ ... }) do
                session = info.name == "vtc.session" and info.value or session
            end
            -- Copied first, since the packet's fields are gone as soon as packets are read again.
            show_session(session)
        end, "vtc.session")
    end
end

-- Returns whether the argument named a report.
local function report(what)
    local wanted = tonumber(match(what, "^session=(%d+)$"))
    if what == "stats" then
        show_statistics()
    elseif wanted then
        show_session(wanted)
    end
    return wanted or what == "stats"
end

for _, what in ipairs({ "stats", "session" }) do
    register_stat_cmd_arg("vtc," .. what, function(asked)
        if not report(sub(asked, 5)) then
            print("vtc: -z vtc,stats or -z vtc,session=NUMBER, not " .. asked)
        end
    end)
end
-- From Wireshark 4.4 on, "..." of an installed script holds its own name and path.
for _, what in ipairs(arguments) do
    report(what)
end
