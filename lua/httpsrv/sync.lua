--- Queues, events and semaphores: how tasks of one Lua state wait for each other.
-- Deadlines are times in the seconds of httpsrv.now(). What a task waits for is handed to it directly, so nobody else can take it in
-- between.
-- @module httpsrv.sync
local C = select(2, ...)
local wait = require "httpsrv.wait"

local setmetatable, type, pcall, error = setmetatable, type, pcall, error
local ticket, unpark, can_wait, park = C.ticket, C.unpark, C.can_wait, wait.park

local M = {}

-- A list of those who wait: nodes in a ring around the list itself.

local function new_list()
  local list = {}
  list.next, list.prev = list, list
  return list
end

local function remove(node)
  if node.next then
    node.prev.next, node.next.prev = node.next, node.prev
    node.next, node.prev = nil, nil
  end
end

--- Enters the node and waits.
-- @return true when it was woken, false past the deadline; raises the cancellation
local function wait_in(list, node, deadline)
  if not can_wait() then park(0) end -- raises
  node.ticket = ticket()
  node.prev, node.next = list.prev, list
  list.prev.next, list.prev = node, node
  local ok, woken = pcall(park, node.ticket, deadline)
  if not ok then
    remove(node)
    error(woken, 0)
  end
  if not woken then remove(node) end
  return woken
end

--- Takes the first node that still waits off the list, and wakes it.
-- @return the node, or nil
local function wake_first(list)
  while list.next ~= list do
    local node = list.next
    remove(node)
    if unpark(node.ticket) then return node end
  end
end

local function check_deadline(deadline, n, fname)
  if deadline ~= nil and type(deadline) ~= "number" then
    C.arg_error(n, fname, "deadline in the seconds of httpsrv.now() expected, got " .. type(deadline))
  end
end

local function timed_out() return nil, "timed out", "ETIMEDOUT" end

M.new_list, M.wait_in, M.wake_first, M.check_deadline, M.timed_out = new_list, wait_in, wake_first, check_deadline, timed_out

--- A queue of values, first in, first out.
-- @type queue
local queue = {}
local queue_mt = { __index = queue, __name = "queue" }

--- Makes a queue.
-- @tparam[opt] int n how many values it holds before put waits; without it, any number
function M.queue(n)
  if n ~= nil and not (type(n) == "number" and n >= 1 and n % 1 == 0) then
    C.arg_error(1, "queue", "positive integer expected")
  end
  return setmetatable({
    capacity = n or math.huge,
    first = 1, last = 0, -- values[first..last]
    values = {},
    getters = new_list(), -- node.value: what was handed over
    putters = new_list(), -- node.value: what is to be put
  }, queue_mt)
end

--- Adds a value at the end; waits while the queue is full.
-- @param value anything but nil
-- @tparam[opt] number deadline
-- @return true, or nil, "timed out", "ETIMEDOUT"
function queue:put(value, deadline)
  if value == nil then C.arg_error(1, "put", "value expected") end
  check_deadline(deadline, 2, "put")
  local getters = self.getters
  while getters.next ~= getters do
    local node = getters.next
    node.value = value
    remove(node)
    if unpark(node.ticket) then return true end
  end
  if self.last - self.first + 1 >= self.capacity then
    local node = { value = value }
    if not wait_in(self.putters, node, deadline) then return timed_out() end
    return true
  end
  self.last = self.last + 1
  self.values[self.last] = value
  return true
end

--- Takes the first value; waits while there is none.
-- @tparam[opt] number deadline
-- @return the value, or nil, "timed out", "ETIMEDOUT"
function queue:get(deadline)
  check_deadline(deadline, 1, "get")
  if self.first > self.last then
    local node = {}
    if not wait_in(self.getters, node, deadline) then return timed_out() end
    return node.value
  end
  local first = self.first
  local value = self.values[first]
  self.values[first] = nil
  self.first = first + 1
  local node = wake_first(self.putters)
  if node then
    self.last = self.last + 1
    self.values[self.last] = node.value
  end
  return value
end

--- How many values are in it.
function queue:size() return self.last - self.first + 1 end
queue_mt.__len = queue.size
function queue_mt:__tostring() return ("queue (%d)"):format(self:size()) end

--- Something that happens once, or again after clear.
-- @type event
local event = {}
local event_mt = { __index = event, __name = "event" }

--- Makes an event that is not set.
function M.event()
  return setmetatable({ on = false, waiters = new_list() }, event_mt)
end

--- Waits until it is set.
-- @tparam[opt] number deadline
-- @return true, or nil, "timed out", "ETIMEDOUT"
function event:wait(deadline)
  check_deadline(deadline, 1, "wait")
  if self.on then return true end
  if not wait_in(self.waiters, {}, deadline) then return timed_out() end
  return true
end

--- Sets it: everyone who waits goes on, and nobody waits any more until clear.
function event:set()
  self.on = true
  local waiters = self.waiters
  self.waiters = new_list()
  while wake_first(waiters) do end -- luacheck: ignore 542
end

--- Makes it not set again.
function event:clear() self.on = false end

--- Whether it is set.
function event:is_set() return self.on end
function event_mt:__tostring() return self.on and "event (set)" or "event" end

--- A number of places.
-- @type semaphore
local semaphore = {}
local semaphore_mt = { __index = semaphore, __name = "semaphore" }

--- Makes a semaphore.
-- @tparam[opt=1] int n places
function M.semaphore(n)
  if n == nil then n = 1 end
  if not (type(n) == "number" and n >= 0 and n % 1 == 0) then
    C.arg_error(1, "semaphore", "integer, not negative, expected")
  end
  return setmetatable({ count = n, waiters = new_list() }, semaphore_mt)
end

--- Takes a place; waits while there is none.
-- @tparam[opt] number deadline
-- @return true, or nil, "timed out", "ETIMEDOUT"
function semaphore:acquire(deadline)
  check_deadline(deadline, 1, "acquire")
  if self.count > 0 then
    self.count = self.count - 1
    return true
  end
  if not wait_in(self.waiters, {}, deadline) then return timed_out() end
  return true
end

--- Gives a place back.
function semaphore:release()
  if not wake_first(self.waiters) then self.count = self.count + 1 end
end
function semaphore_mt:__tostring() return ("semaphore (%d)"):format(self.count) end

return M
