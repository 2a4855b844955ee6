---@meta
-- Types of the reference manual's spelling, for the Lua language server. docs/msys.md says what is there and what differs.

---The namespace; also the global variable msys.
---@class msys
local msys = {}

---Waits.
---@param seconds number
---@return true
function msys.sleep(seconds) end

---Whether a wait is possible here.
---@return boolean
function msys.asyncOk() end

---Takes the lock of that name, between coroutines, Lua states and pool threads. Waits while another has it. It is let go when the task that
---holds it ends.
---@param name string
---@return true
function msys.lock(name) end

---Lets it go; raises when it is not the caller's.
---@param name string
---@return true
function msys.unlock(name) end

---The whole of a file, or of what a scheme stands for. Waits.
---@param name string
---@return string? text
---@return string? message
---@return string? code
function msys.readfile(name) end

---Registers functions for the beginning and the end of a script's life.
---@param name string
---@param module { init?: fun(self): true, rsrc_setup?: fun(self): true, deinit?: fun(self): true }
---@return true
function msys.registerModule(name, module) end

---Registers a command for httpsrv ctl.
---@param prefix string
---@param fn fun(cc: httpsrv.command): integer|boolean|nil
---@return true
function msys.registerControl(prefix, fn) end

---Runs fn() in a thread of a pool, in that thread's Lua state.
---@param pool string|integer name or id
---@param fn fun(): any
---@param async? boolean|fun() true: does not wait; a function: the same, and it is called when fn has returned
---@param mode? integer msys.core.ECTP_COMPLETE_CALLBACK_SCHED: it is called on the loop; else in the pool
---@return boolean? ok when it waits, as pcall
---@return any ...
function msys.runInPool(pool, fn, async, mode) end

---Registers an auth scheme: authenticate returns msys.core.EC_AUTH_OK, EC_AUTH_FAIL or EC_AUTH_ERROR.
---@param scheme string
---@param auth { authenticate: fun(self, filename: string?, params: table, username: string, password: string): integer }
---@return true
function msys.registerAuth(scheme, auth) end

---An auth handler, for httpsrv.register_auth or the auth option of a route, that asks for a user name and a password and has a scheme judge them.
---@param scheme string
---@param options? { realm?: string, filename?: string, params?: table }
---@return fun(sess: httpsrv.session): boolean?, string?
function msys.authHandler(scheme, options) end

---How many pools there are.
---@return integer
function msys.threadpool.count() end

---The id of a pool of that name, or the name of that with the id.
---@param pool string|integer
---@return integer|string|nil
function msys.threadpool.find(pool) end

---What a pool is and has done.
---@param pool string|integer
---@return table?
function msys.threadpool.stat(pool) end

---@param method string|nil nil: every method
---@param path string base path
---@param handler fun(sess: httpsrv.session): any
---@param options? httpsrv.route_options
---@return true
function msys.httpsrv.register(method, path, handler, options) end

---Runs fn once, so many seconds from now. As httpsrv.timer.after.
---@param seconds number
---@param fn fun()
---@param name? string
---@return httpsrv.timer
function msys.timer.after(seconds, fn, name) end

---Runs fn once, at a time of day. As httpsrv.timer.at.
---@param time number seconds since 1970
---@param fn fun()
---@param name? string
---@return httpsrv.timer
function msys.timer.at(time, fn, name) end

---Runs fn again and again. As httpsrv.timer.every.
---@param seconds number
---@param fn fun()
---@param name? string
---@return httpsrv.timer
function msys.timer.every(seconds, fn, name) end

---Opens a file, or what a scheme stands for: an io whose write takes (buf[, len]). Waits.
---@param name string
---@param options? integer O_CREAT | O_APPEND | O_WRONLY and so on; O_RDONLY
---@param mode? integer permissions of a file that is created
---@return httpsrv.io? io
---@return string? message
---@return string? code
function msys.core.io_wrapper_open(name, options, mode) end

---Begins to walk a dictionary, such as the attrs of session:request_url_get().
---@param dict table<string, string>
---@return table iterator
function msys.core.dict_iter2(dict) end

---The next pair: 1, key, value; 0 at the end.
---@param dict table<string, string>
---@param iterator table
---@return integer
---@return string? key
---@return string? value
function msys.core.dict_next(dict, iterator) end

---Ends the walk.
---@param dict table<string, string>
---@param iterator table
function msys.core.dict_iter2_free(dict, iterator) end

---An empty string that can be changed.
---@return msys.ec_string
function msys.core.string_new() end

---Seconds since 1970.
---@return integer
function msys.core.get_now_ts() end

---A string that can be changed: tostring(s) is its text, #s its length, a .. s a plain string.
---@class msys.ec_string
local ec_string = {}

---Replaces the text.
---@param value string|number|msys.ec_string
function ec_string:set(value) end

---Adds to the text.
---@param value string|number|msys.ec_string
function ec_string:append(value) end

---Empties it.
function ec_string:clear() end

---The module thread; also the global variable thread.
---@class thread
---@field MUTEX_NORMAL integer
---@field MUTEX_RECURSIVE integer
---@field MUTEX_ERRORCHECK integer
local thread = {}

---Makes a mutex: a lock as those of msys.lock, without a name.
---@param kind? integer MUTEX_NORMAL
---@return thread.mutex
function thread.mutex(kind) end

---@class thread.mutex
local mutex = {}

---Takes it. Waits while another has it.
---@return true
function mutex:lock() end

---Takes it if nobody has it.
---@return boolean
function mutex:trylock() end

---Lets it go; raises when the caller does not have it.
---@return true
function mutex:unlock() end

return msys
