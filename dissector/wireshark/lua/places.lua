-- Places: what earlier frames say about each frame. Packets come in order only on the first pass, so its results are
-- kept here by frame number: an array for each kind of value, in pages of 512 frames. A table for each frame would cost
-- three times the time and ten times the memory, so complete pages become strings.

local PAGE = 512
local WHOLE, TIME, SMALL = rep("I4", PAGE), rep("d", PAGE), rep("I1", PAGE)
local COLUMNS = { session = WHOLE, asked = WHOLE, request_in = WHOLE, response_in = WHOLE, repeat_of = WHOLE,
    token_in = WHOLE, status_in = WHOLE, faults = SMALL, response_time = TIME, gap = TIME }
-- "current" is the page being filled; "previous" is the page before it, which answers may still change.
local current, previous, sealed, opened, opened_number
-- Results for frames whose pages were already sealed.
local late_links, late_faults

-- The errors of a frame's place: LATE or EARLY, and independently SILENT.
local LATE, EARLY, SILENT = 1, 2, 4
local TIMING_FAULTS = { [LATE] = "response_late", [EARLY] = "response_early" }

-- The values of fields that do not apply.
local NOTHING = { [WHOLE] = 0, [TIME] = -1, [SMALL] = 0 }

-- Creates an empty page.
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

-- The page of a frame.
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

-- Links a frame to a later one in a column: its answer, or the verdict on its token.
local function link_to(column, number, later)
    local page = is_open(current, number) and current or is_open(previous, number) and previous
    if page then
        page[column][(number - 1) % PAGE + 1] = later
    else
        late_links[column][number] = later
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

-- The texts of requested registers, each once, and their numbers, which the pages hold.
local texts, numbers

local function number_of(text)
    if not numbers[text] then
        texts[#texts + 1] = text
        numbers[text] = #texts
    end
    return numbers[text]
end

-- The current frame's place: its page, and its index there.
local place, place_at

local function where()
    return place, place_at
end

-- The registers that the current frame's request named; nil for none.
local function asked_here()
    return texts[place.asked[place_at]]
end

local function later_of(column, number)
    return late_links[column][number] or place[column][place_at]
end

local function faults_of(number)
    return place.faults[place_at] + (late_faults[number] or 0)
end

-- Whether the current frame is a repeat or has an error.
local function stands_out(number)
    return place.repeat_of[place_at] ~= 0 or place.faults[place_at] ~= 0 or late_faults[number] ~= nil
end

-- Selects the place of a frame that has one.
local function go_to_place(number)
    place, place_at = page_of(number), (number - 1) % PAGE + 1
end

-- Creates the place of the next frame and selects it.
local function next_place(number)
    place_at = (number - 1) % PAGE + 1
    if not current or number - place_at ~= current.number * PAGE then
        turn_to((number - place_at) / PAGE)
    end
    place = current
    return place, place_at
end

-- Removes the current frame's place. Returns the token that it was the status of (0: none).
local function leave_place()
    local asked, token = place.request_in[place_at], place.token_in[place_at]
    if asked ~= 0 then
        link_to("response_in", asked, 0)
    end
    if token ~= 0 then
        link_to("status_in", token, 0)
    end
    for column, kind in pairs(COLUMNS) do
        place[column][place_at] = NOTHING[kind]
    end
    return token
end

local function forget_places()
    current, previous, sealed, opened, opened_number = nil, nil, {}, nil, nil
    texts, numbers = {}, {}
    late_links, late_faults = { response_in = {}, status_in = {} }, {}
end

return where, later_of, faults_of, stands_out, go_to_place, next_place, leave_place, forget_places, link_to,
    set_unanswered, number_of, asked_here, LATE, EARLY, SILENT, TIMING_FAULTS
