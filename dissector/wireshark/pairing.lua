-- What the frames before tell of each: its gap, and its place among them by the rules of vtctap's pairing. Packets come
-- in order on the first pass only; what was found then is kept by frame number.

-- Places: an array of each kind of value, a page of 512 frames at a time. Tables for each frame would cost three times
-- the time and ten times the memory, so pages that are complete become strings.
local PAGE = 512
local WHOLE, TIME, SMALL = rep("I4", PAGE), rep("d", PAGE), rep("I1", PAGE)
local COLUMNS = { session = WHOLE, request_in = WHOLE, response_in = WHOLE, repeat_of = WHOLE, faults = SMALL,
    response_time = TIME, gap = TIME }
-- "current" is the page that frames are put in, "previous" the one before, which answers may still change.
local current, previous, sealed, opened, opened_number
-- What became known of frames whose pages had been sealed.
local late_responses, late_faults

-- What may be wrong with a frame's place: one of the first two, and the last or not.
local LATE, EARLY, SILENT = 1, 2, 4
local TIMING_FAULTS = { [LATE] = "response_late", [EARLY] = "response_early" }

-- What stands for what does not apply.
local NOTHING = { [WHOLE] = 0, [TIME] = -1, [SMALL] = 0 }

-- A page in which nothing is known yet.
local function blank(page, number)
    page.number = number
    for column, kind in pairs(COLUMNS) do
        local values, nothing = page[column] or {}, NOTHING[kind]
        for at = 1, PAGE do
            values[at] = nothing
        end
        page[column] = values
    end
    return page
end

local function seal(page)
    local packed = {}
    for column, kind in pairs(COLUMNS) do
        packed[column] = Struct.pack(kind, unpack(page[column], 1, PAGE))
    end
    sealed[page.number] = packed
end

local function turn_to(number)
    local page = previous
    if page then
        seal(page)
    end
    previous, current = current, blank(page or {}, number)
end

-- The page that a frame was put in.
local function page_of(number)
    local wanted = floor((number - 1) / PAGE)
    if current and current.number == wanted then
        return current
    elseif previous and previous.number == wanted then
        return previous
    elseif opened_number ~= wanted and sealed[wanted] then
        opened, opened_number = {}, wanted
        for column, packed in pairs(sealed[wanted]) do
            opened[column] = { Struct.unpack(COLUMNS[column], packed) }
        end
    end
    return opened_number == wanted and opened or blank({}, wanted)
end

local function is_open(page, number)
    local at = page and number - page.number * PAGE
    return at and at >= 1 and at <= PAGE
end

local function set_response(number, response)
    local page = is_open(current, number) and current or is_open(previous, number) and previous
    if page then
        page.response_in[(number - 1) % PAGE + 1] = response
    else
        late_responses[number] = response
    end
end

local function set_unanswered(number)
    local page = is_open(current, number) and current or is_open(previous, number) and previous
    if page then
        page.faults[(number - 1) % PAGE + 1] = page.faults[(number - 1) % PAGE + 1] + SILENT
    else
        late_faults[number] = SILENT
    end
end

-- The place of the frame in hand: its page, and its index there.
local place, place_at

local function where()
    return place, place_at
end

local function response_of(number)
    return late_responses[number] or place.response_in[place_at]
end

local function faults_of(number)
    return place.faults[place_at] + (late_faults[number] or 0)
end

-- Pairing ---------------------------------------------------------------------------------------------------------------

-- When a packet began, in nanoseconds since the first. For 24 days a double holds them (those since 1970 it never does),
-- so they are taken from the relative time. That begins anew at each time reference that the user has set; what it counts
-- from is known well enough from the absolute time to see that, and to add up what came before.
local SAME = 1e-4
local origin, counted_from, before_reference

local function start_of(relative, absolute)
    local from = absolute - relative
    if not origin then
        origin, counted_from, before_reference = from, from, 0
    elseif abs(from - counted_from) > SAME then
        counted_from = from
        before_reference = abs(from - origin) > SAME and from - origin or 0
    end
    return floor((relative + before_reference) * 1e9 + 0.5)
end

-- A link's state. request: the client's last request (number 0: none), and the answer to it, "good", "damaged" or "NAK";
-- last: a side's last frame, its number that of the first where it was a repeat. opening: the session has had nothing
-- but calls so far; over: a break ended it. asked: the number of the request that waits for an answer (0: none does),
-- silent: those that did before the server was heard. (What changes from frame to frame is written over, not made anew.)
local links, sessions
-- The last frame, to know it again: its number, time, octets and link.
local latest, latest_time, latest_octets, latest_link

function protocol.init()
    links, sessions, latest, origin = {}, 0, nil, nil
    current, previous, sealed, opened, opened_number = nil, nil, {}, nil, nil
    late_responses, late_faults = {}, {}
end

local CALLS = { IDRequest = true, WakeUp = true }
local NOT_REPEATED = { ACK = true, NAK = true, WakeUp = true }
local NEEDS_NO_ANSWER = { BreakCommand = true, WakeUp = true }
local MAX_SILENT = 1000

local function new_link()
    return { session = 0, stop = 0, request = { number = 0 }, asked = 0, silent = {},
        last = { client = { number = 0 }, server = { number = 0 } } }
end

local function begin_session(link)
    sessions = sessions + 1
    link.session, link.opening, link.over = sessions, true, false
    link.request.number, link.last.client.number, link.last.server.number = 0, 0, 0
end

-- Whether a side's frame repeats the one that it sent before.
local function repeats(link, sender, octets, before)
    local request, same = link.request, octets == before.octets
    if request.number == 0 then
        return false
    elseif sender == "client" then
        return request.answer ~= "good" and (same or (before.damaged and request.answer == "NAK"))
    end
    local asked = link.last.client
    local asked_again = asked.number ~= 0 and asked.repeats and asked.number < before.number
    return not request.answer and (request.is_nak or (same and asked_again))
end

-- An exchange ends: what of it was not answered. Until the server has been heard on this link, its wire may be untapped.
local function judge(link)
    if link.answered and link.requested then
        for at = 1, #link.silent do
            set_unanswered(link.silent[at])
            link.silent[at] = nil
        end
    elseif link.asked ~= 0 and not link.answered then
        if link.heard then
            set_unanswered(link.asked)
        elseif #link.silent < MAX_SILENT then
            link.silent[#link.silent + 1] = link.asked
        end
    end
    link.heard = link.heard or link.spoke
end

-- Whether a request waits for an answer: a call that does not end in a line end does not, the command follows at once.
local function waits(name, octets)
    return not NEEDS_NO_ANSWER[name] and not (name == "IDRequest" and byte(octets, -1) % 128 ~= 10)
end

local function follow_exchange(link, number, head, name, octets)
    local sender = head.sender
    local asks = name and sender == "client"
    if asks or link.exchanges ~= link.session then
        judge(link)
        link.exchanges = link.session
        link.asked = asks and not head.cut and waits(name, octets) and number or 0
        link.requested, link.answered, link.spoke = asks, not asks and sender ~= "client", not asks and sender == "server"
    elseif sender ~= "client" then
        link.answered, link.spoke = true, link.spoke or sender == "server"
    end
end

-- Whether an answer was surely too late or too early, whatever the true times within their uncertainty.
local function timing(request, head, time)
    if not (request.uncertainty and head.uncertainty) or request.name == "HDLC" or request.uncertain
        or head.order_uncertain then
        return 0
    end
    local unsure = request.uncertainty + head.uncertainty
    return time - unsure > limits.most and LATE or time + unsure < limits.least and EARLY or 0
end

local function pair(link, page, at, number, head, message, octets, start)
    local name, sender = message.name, head.sender
    local stop = start + head.duration
    if not name or head.echo or sender == "unknown" then
        if not name and sender == "client" then
            link.request.stop = stop
        end
        return
    end
    local request, before = link.request, link.last[sender]
    local damaged = head.wrong_parity or head.framing_error or head.cut or message.bcc_status == "bad"
        or message.crc_status == "bad"
    local first = 0
    if before.number ~= 0 and not NOT_REPEATED[name] and repeats(link, sender, octets, before) then
        first = before.number
        page.repeat_of[at] = first
    end
    if sender == "client" then
        local breaks = name == "BreakCommand"
        if first == 0 and ((CALLS[name] and not link.opening) or (link.over and not breaks)) then
            begin_session(link)
        end
        link.opening, link.over = link.opening and CALLS[name], breaks
        if name ~= "WakeUp" then
            request.number, request.name, request.stop, request.answer = number, name, stop, nil
            request.synthetic, request.is_nak = head.synthetic, name == "NAK"
            request.uncertainty, request.uncertain = head.uncertainty, head.order_uncertain
        end
    else
        link.opening = false
        if request.number ~= 0 and not request.answer then
            request.answer = name == "NAK" and name or damaged and "damaged" or "good"
            page.request_in[at] = request.number
            set_response(request.number, number)
            if request.stop <= start and not (request.synthetic or head.synthetic) then
                page.response_time[at] = start - request.stop
                -- Where something else came first, it is open whether that was the answer.
                page.faults[at] = link.answered and 0 or timing(request, head, start - request.stop)
            end
        end
    end
    if not NOT_REPEATED[name] then
        before.number, before.octets = first ~= 0 and first or number, octets
        before.damaged, before.repeats = damaged, first ~= 0
    end
end

-- A read filter sees packets before they have their numbers for good. What had this number was left out: what is known of
-- it goes, and what refers to it.
local function leave_out(page, at, number, link)
    local asked = page.request_in[at]
    if asked ~= 0 then
        set_response(asked, 0)
    end
    for column, kind in pairs(COLUMNS) do
        page[column][at] = NOTHING[kind]
    end
    for _, held in ipairs({ link.request, link.last.client, link.last.server }) do
        held.number = held.number ~= number and held.number or 0
    end
    link.asked = link.asked ~= number and link.asked or 0
end

-- Finds the place of a frame; gives whether it repeats another, or is one that something is wrong with.
local function follow(pinfo, number, visited, head, message, octets)
    local at = (number - 1) % PAGE + 1
    place_at = at
    if visited then
        place = page_of(number)
        return place.repeat_of[at] ~= 0 or place.faults[at] ~= 0 or late_faults[number] ~= nil
    end
    local absolute = pinfo.abs_ts
    if number == latest then
        place = page_of(number)
        -- Wireshark dissects what its read filter lets pass twice.
        if absolute == latest_time and octets == latest_octets then
            return place.repeat_of[at] ~= 0 or place.faults[at] ~= 0
        end
        leave_out(place, at, number, latest_link)
    end
    local start = start_of(pinfo.rel_ts, absolute)
    local link = links[head.link]
    if not link then
        link = new_link()
        links[head.link] = link
    end
    if not current or number - at ~= current.number * PAGE then
        turn_to((number - at) / PAGE)
    end
    local page = current
    place = page
    latest, latest_time, latest_octets, latest_link = number, absolute, octets, link
    if link.session ~= 0 and link.stop <= start and not head.synthetic then
        page.gap[at] = start - link.stop
    end
    if link.session == 0 or start - link.stop > PROFILE.timing.session then
        begin_session(link)
    end
    link.stop = start + head.duration
    pair(link, page, at, number, head, message, octets, start)
    page.session[at] = link.session
    if not head.echo then
        follow_exchange(link, number, head, message.name, octets)
    end
    return page.repeat_of[at] ~= 0 or page.faults[at] ~= 0
end

return follow, where, response_of, faults_of, TIMING_FAULTS, SILENT
