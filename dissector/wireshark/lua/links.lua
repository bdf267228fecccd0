-- Links: keeps the links of several traces apart after another tool has joined the traces, by the rules of vtctap's
-- reader: each trace numbers its links and taps from 0, and the difference between a record's interface and its tap
-- tells which trace it came from.

local interface_of, name_of = Field.new("frame.interface_id"), Field.new("frame.interface_name")
-- Wireshark's name of an interface that has none, as in what was classic pcap before.
local UNNAMED = "unknown"

-- The numbers of the links by trace and link; the numbers in use; the unnamed interfaces that hold several taps.
local numbers, taken, shared

local function forget_links()
    numbers, taken, shared = {}, {}, {}
end

-- The first interface of the trace that a record came from.
local function trace_of(interface, tap)
    if interface == tap and not shared[interface] then
        return 0
    end
    local name = name_of()
    if not name or name.value == UNNAMED then
        shared[interface] = true
        return interface
    end
    return max(interface - tap, 0)
end

local function free(link)
    local number = link
    for other = 0, 255 do
        if not taken[number] then
            return number
        end
        number = other
    end
    return taken[number] and link or number
end

-- The first octets of a record, with the number that its link has in this file.
local function with_its_link(start)
    local interface, link, tap = interface_of(), byte(start, 10, 11)
    local key = interface and tap and trace_of(interface(), tap) * 256 + link or link
    if not key then
        return start
    end
    local number = numbers[key]
    if not number then
        number = free(link)
        numbers[key], taken[number] = number, true
    end
    return number == link and start or sub(start, 1, 9) .. char(number) .. sub(start, 11)
end

return with_its_link, forget_links
