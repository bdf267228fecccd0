-- Pairing: finds the place of each frame among the others, by the rules of vtctap's pairing, and its errors.

-- The start of a packet in nanoseconds since the first packet. A double is exact for 24 days of them, and never for
-- nanoseconds since 1970, so the start comes from the relative time. The relative time restarts at each time reference
-- that the user sets; the absolute time is accurate enough to detect this and to add the time before.
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

-- A link's state. request: the client's last request (number 0: none), the data sets of an undamaged read, and the
-- answer to it, "good", "damaged" or "NAK"; last: a side's last frame, with the original's number if it was a repeat.
-- opening: the session has only had calls so far; over: a break ended it. asked: the number of the request that waits
-- for an answer (0: none); silent: the requests that waited before the server was heard. written: the number of the
-- last token's frame; taken: that of the token that waits for its verdict (0: none). (Values that change are
-- overwritten, not allocated.)
local links, sessions
-- The taps of each link that are disconnected.
local away
-- The last frame, to recognise it: its number, time, octets and link.
local latest, latest_time, latest_octets, latest_link

function protocol.init()
    links, away, sessions, latest, origin = {}, {}, 0, nil, nil
    forget_places()
    forget_links()
end

local function new_link()
    return { session = 0, stop = 0, request = { number = 0 }, asked = 0, silent = {},
        last = { client = { number = 0 }, server = { number = 0 } }, written = 0, taken = 0 }
end

local function forget(link)
    link.request.number, link.last.client.number, link.last.server.number = 0, 0, 0
    link.request.sets = nil
    link.written, link.taken = 0, 0
end

local function begin_session(link)
    sessions = sessions + 1
    link.session, link.opening, link.over = sessions, true, false
    forget(link)
end

-- Takes an event, by the rules of vtctap's outages: no frame after an outage relates to one before.
local function interrupt(number, tap, event)
    local name, taps = match(event, "^[^ ]*"), away[number] or {}
    if name == "lost" then
        taps[tap], away[number] = true, taps
    elseif name == "opened" then
        taps[tap] = nil
        away[number] = next(taps) and taps
    elseif name ~= "missed" and name ~= "overrun" then
        return
    end
    local link = links[number]
    if link then
        forget(link)
        link.asked = 0
    end
end

-- Whether a frame repeats the one before from the same side.
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

-- Ends an exchange and marks its unanswered request. Until the server has been heard on this link, its wire may be
-- untapped.
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

-- Whether a request waits for an answer. A call without a line end does not: the command follows at once.
local function waits(name, octets)
    return not NEEDS_NO_ANSWER[name] and not (name == "IDRequest" and byte(octets, -1) % 128 ~= 10)
end

local function follow_exchange(link, number, head, name, octets)
    local sender = head.sender
    local asks = name and sender == "client"
    if asks or link.exchanges ~= link.session then
        judge(link)
        link.exchanges = link.session
        link.asked = asks and not head.cut and not away[head.link] and waits(name, octets) and number or 0
        link.requested, link.answered = asks, not asks and sender ~= "client"
        link.spoke = not asks and sender == "server"
    elseif sender ~= "client" then
        link.answered, link.spoke = true, link.spoke or sender == "server"
    end
end

-- Whether an answer was too late or too early even if the timestamps are wrong by their full uncertainty.
local function timing(request, head, time)
    if not (request.uncertainty and head.uncertainty) or request.name == "HDLC" or request.uncertain
        or head.order_uncertain then
        return 0
    end
    local unsure = request.uncertainty + head.uncertainty
    return time - unsure > limits.most and LATE or time + unsure < limits.least and EARLY or 0
end

-- The token that an answer's status is about, by the rules of vtctap's verdicts.
local function follow_token(link, page, at, number, message, damaged)
    if message.name == "ACK" and link.request.number == link.written then
        link.taken = link.written
    end
    if message.status and link.taken ~= 0 and not damaged then
        page.token_in[at] = link.taken
        if message.outcome ~= "pending" then
            link_to("status_in", link.taken, number)
            link.taken = 0
        end
    end
end

-- The requested registers of an answer's data sets that name none: one register a line, and an empty line for a data
-- set that names its own; nil for an answer that does not correspond to the request.
local function registers_asked(request, message)
    local named, own = request.sets, message.sets
    if not named or message.name ~= "Data" or #named ~= #own then
        return nil
    end
    local text, found = "", false
    for at, set in ipairs(own) do
        local register = named[at].register
        if set.register ~= "" and set.register ~= register then
            return nil
        end
        text = text .. (set.register == "" and register or "") .. "\n"
        found = found or (set.register == "" and register ~= "")
    end
    return found and text or nil
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
    local damaged = head.parity or head.framing or head.cut or message.bcc_status == "bad"
        or message.crc_status == "bad" or message.bad_sequence
    local first = 0
    if before.number ~= 0 and not NOT_REPEATED[name] and repeats(link, sender, octets, before) then
        first = before.number
        page.repeat_of[at] = first
    end
    if sender == "client" then
        local breaks = ENDING[name]
        if first == 0 and ((OPENING[name] and not link.opening) or (link.over and not breaks)) then
            begin_session(link)
        end
        link.opening, link.over = link.opening and OPENING[name], breaks
        if not NOT_REQUESTS[name] then
            request.number, request.name, request.stop, request.answer = number, name, stop, nil
            if damaged or name ~= "NAK" then
                request.sets = name == "ReadCommand" and not damaged and message.sets or nil
            end
            request.synthetic, request.is_nak = head.synthetic, name == "NAK"
            request.uncertainty, request.uncertain = head.uncertainty, head.order_uncertain
        end
        if name == "WriteCommand" and message.token then
            link.written = number
        end
    else
        link.opening = false
        if request.number ~= 0 and not request.answer then
            request.answer = name == "NAK" and name or damaged and "damaged" or "good"
            page.request_in[at] = request.number
            link_to("response_in", request.number, number)
            local registers = registers_asked(request, message)
            if registers then
                page.asked[at] = number_of(registers)
                message = understand(octets, registers)
            end
            follow_token(link, page, at, number, message, damaged)
            if request.stop <= start and not (request.synthetic or head.synthetic) then
                page.response_time[at] = start - request.stop
                -- If something else came first, this may not be the answer.
                page.faults[at] = link.answered and 0 or timing(request, head, start - request.stop)
            end
        end
    end
    if not NOT_REPEATED[name] then
        before.number, before.octets = first ~= 0 and first or number, octets
        before.damaged, before.repeats = damaged, first ~= 0
    end
end

-- A read filter sees packets before their numbers are final. The packet that had this number was filtered out: its data
-- and the references to it are removed.
local function leave_out(number, link)
    local token = leave_place()
    link.taken = token ~= 0 and token or link.taken
    link.written = link.written ~= number and link.written or 0
    link.taken = link.taken ~= number and link.taken or 0
    for _, held in ipairs({ link.request, link.last.client, link.last.server }) do
        held.number = held.number ~= number and held.number or 0
    end
    link.asked = link.asked ~= number and link.asked or 0
end

-- Selects a frame's place, and fills it in on the first pass. Returns whether the frame is a repeat or has an error.
local function follow(pinfo, number, visited, head, message, octets)
    if visited then
        go_to_place(number)
        return stands_out(number)
    end
    local absolute = pinfo.abs_ts
    if number == latest then
        go_to_place(number)
        -- Wireshark dissects packets that pass its read filter twice.
        if absolute == latest_time and octets == latest_octets then
            return stands_out(number)
        end
        leave_out(number, latest_link)
    end
    local start = start_of(pinfo.rel_ts, absolute)
    local link = links[head.link]
    if not link then
        link = new_link()
        links[head.link] = link
    end
    local page, at = next_place(number)
    latest, latest_time, latest_octets, latest_link = number, absolute, octets, link
    if link.session ~= 0 and link.stop <= start and not head.synthetic then
        page.gap[at] = start - link.stop
    end
    if link.session == 0 or start - link.stop > PROFILE.timing.session then
        begin_session(link)
    end
    link.stop = start + head.duration
    if away[head.link] then
        forget(link)
    end
    pair(link, page, at, number, head, message, octets, start)
    page.session[at] = link.session
    if not head.echo then
        follow_exchange(link, number, head, message.name, octets)
    end
    return page.repeat_of[at] ~= 0 or page.faults[at] ~= 0
end

return follow, interrupt
