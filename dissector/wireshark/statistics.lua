-- Statistics and sessions as text: in windows of Wireshark (menu Tools, vtctap), and in tshark by
-- -X lua_script1:stats and -X lua_script1:session=N.

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
    return set.register .. (set.name and " " .. set.name or "")
end

-- Response times are under the register that the request names, or its message where it names none.
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
    if head.sender == "client" and message.name and message.name ~= "WakeUp" and not head.echo then
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
    return format("%7d %12.6f %-8s %s\n", record.number, pinfo.rel_ts, record.head.sender,
        record_text(record.head, record.message, record.octets, record.found))
end

-- Taps: what each reports as text, anew when packets are read again.

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

local function session_tap(wanted, show_text)
    local tap, lines = Listener.new(nil, "vtc"), {}
    function tap.packet(pinfo)
        if record.message then
            local place, at = where()
            if place.session[at] == wanted then
                lines[#lines + 1] = session_line(pinfo)
            end
        end
    end
    function tap.draw()
        show_text(#lines > 0 and concat(lines) or "There is no session " .. wanted .. ".\n")
    end
    function tap.reset()
        lines = {}
    end
    return tap
end

local function print_text(text)
    print((gsub(text, "\n$", "")))
end

local function open_window(title, start)
    local window = TextWindow.new(title)
    local tap = start(function(text) window:set(text) end)
    window:set_atclose(function() tap:remove() end)
    retap_packets()
end

if gui_enabled() then
    register_menu("vtctap/Statistics", function()
        open_window("vtctap: statistics", statistics_tap)
    end, MENU_TOOLS_UNSORTED)
    register_menu("vtctap/Session as text", function()
        new_dialog("vtctap: session as text", function(number)
            local wanted = tonumber(number)
            if wanted then
                open_window("vtctap: session " .. wanted, function(show_text) return session_tap(wanted, show_text) end)
            end
        end, "Number of the session (vtc.session)")
    end, MENU_TOOLS_UNSORTED)
end

for _, argument in ipairs(arguments) do
    local wanted = match(argument, "^session=(%d+)$")
    if argument == "stats" then
        statistics_tap(print_text)
    elseif wanted then
        session_tap(tonumber(wanted), print_text)
    end
end
