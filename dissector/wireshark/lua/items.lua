-- Items: how a record's fields are put into the tree. Where only filters look at it, what they do not ask for is left
-- out.

-- The packet's octets; whether all is shown; and if not, the fields that are asked for.
local packet, whole, wanted
-- The packet in hand, for the parts after this one. complaints: the names of what is wrong with it; message: its
-- message, and base: where that begins.
local view = { whole = false, complaints = nil, message = nil, base = 0 }
-- The methods of tree items, which are looked up by name each time otherwise.
local tree_add, set_generated

-- A time of so many nanoseconds; never negative here. Durations come again and again, and some times twice in a row.
local TIMES, times_held, MAX_TIMES = {}, 0, 4096
local function often(ns)
    local time = TIMES[ns]
    if not time then
        if times_held == MAX_TIMES then
            TIMES, times_held = {}, 0
        end
        time = NSTime(floor(ns / 1e9), ns % 1e9)
        TIMES[ns], times_held = time, times_held + 1
    end
    return time
end

local last_interval, last_time
local function interval(ns)
    if ns ~= last_interval then
        last_interval, last_time = ns, NSTime(floor(ns / 1e9), ns % 1e9)
    end
    return last_time
end

-- The range of octets that was asked for last: fields that follow one another often share theirs.
local range, range_at, range_size

-- Begins a packet, whose whole tree is shown or not.
local function begin_tree(tvb, tree, is_whole)
    if not tree_add then
        tree_add, set_generated = tree.add, tree.set_generated
    end
    packet, whole, range_at = tvb, is_whole, nil
    view.whole = is_whole
end

-- Begins a run of packets of which these fields are asked for, by their names.
local function ask_for(names)
    wanted = names
end

local function asked(field)
    return whole or wanted[field]
end

-- Adds a field that stands for so many octets; nil where nobody asks for it. Where the tree is not looked at, what
-- octets a field stands for and how it is shown does not matter.
local function add(tree, field, at, size, value)
    if whole then
        if at ~= range_at or size ~= range_size then
            range, range_at, range_size = packet(at, size), at, size
        end
        local item = tree_add(tree, fields[field], range, value)
        if generated[field] then
            set_generated(item)
        end
        return item
    elseif wanted[field] then
        return tree_add(tree, fields[field], value)
    end
end

-- Adds a field of the tap header: said by the tap, and not in the message, but in the octets of the packet.
local function tell(tree, field, at, size, value)
    if whole then
        return tree_add(tree, fields[field], packet(at, size), value)
    elseif wanted[field] then
        return tree_add(tree, fields[field], value)
    end
end

-- Adds a field that is concluded from more than some octets of the packet.
local function conclude(tree, field, value)
    if whole then
        local item = tree_add(tree, fields[field], value)
        set_generated(item)
        return item
    elseif wanted[field] then
        return tree_add(tree, fields[field], value)
    end
end

-- Adds what groups fields, which has its title for a text where it is given none.
local function group(tree, field, at, size, text)
    if not whole then
        return tree
    end
    local item = tree_add(tree, fields[field], packet(at, size))
    return text and item:set_text(text) or item
end

-- Adds a field of the message; one that is assumed says so.
local function say(tree, field, at, size, value)
    local item = add(tree, field, view.base + at, size, value)
    local assumed = view.message.assumed
    if item and whole and assumed and assumed[field] then
        item:append_text(" [assumed]")
    end
    return item
end

-- Marks what is wrong, whether its field is asked for or not. What the mark was called before, or else "also", is a
-- field that filters find and nobody sees.
local function complain(tree, item, which, also)
    local place = item or tree
    place:add_proto_expert_info(experts[which])
    also = also or FORMERLY[which]
    if also and asked("vtc.expert." .. also) then
        tree_add(place, fields["vtc.expert." .. also]):set_hidden()
    end
    view.complaints = view.complaints or {}
    view.complaints[#view.complaints + 1] = which
end

return view, begin_tree, ask_for, asked, add, tell, conclude, group, say, complain, interval, often
