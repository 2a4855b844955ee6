---@meta httpsrv
-- The Lua face of httpsrv, for the Lua language server. What each function does, when it waits and what it raises is said in
-- lua/httpsrv/*.lua.

---Why something failed: an errno's name, such as "ENOENT".
---@alias httpsrv.errcode string

---@alias httpsrv.level "debug"|"info"|"notice"|"warn"|"error"

---@class httpsrv
---@field DONE integer what handlers of the reference manual return
---@field io httpsrv.iolib
---@field timer httpsrv.timerlib
---@field cancelled userdata what a cancelled wait raises
---@field null userdata JSON null
---@field empty_array table encodes as []
local httpsrv = {}

---@class httpsrv.route_options
---@field host? string virtual host
---@field exact? boolean matches the path alone, not what is below
---@field encoded_slash? boolean %2F and %5C may be in the path, and stay encoded
---@field max_body? integer|false bytes; false: no limit for streaming reads
---@field client_half_close? "allow" a FIN while the handler waits is no abort
---@field on_abort? "continue" the handler runs to its end when the client goes away
---@field handler_timeout? number|false seconds; false: none
---@field auth? httpsrv.auth_handler|false an auth handler of the route's own; false: open to all
---@field pool? string name of a pool: the handler runs in one of its threads, with a Lua state of its own, and may block

---Decides about a request: true[, user]; false (403); nil, challenge (401).
---@alias httpsrv.auth_handler fun(sess: httpsrv.session): boolean|nil, string|string[]|nil

---@class httpsrv.auth_options
---@field host? string
---@field exact? boolean

---@param method string|nil nil: every method
---@param path string base path
---@param handler fun(sess: httpsrv.session): any
---@param options? httpsrv.route_options
---@return true
function httpsrv.register(method, path, handler, options) end

---Registers who decides about requests below a base path, before any handler or answer.
---@param method string|nil nil: every method
---@param path string base path
---@param fn httpsrv.auth_handler may wait
---@param options? httpsrv.auth_options
---@return true
function httpsrv.register_auth(method, path, fn, options) end

---@class httpsrv.hook_options
---@field path? string base path: only for requests to it and below

---What it returns ends the request.
---@param fn fun(sess: httpsrv.session): any
---@param options? httpsrv.hook_options
---@return true
function httpsrv.before(fn, options) end

---@param fn fun(sess: httpsrv.session, status: integer, err: any)
---@param options? httpsrv.hook_options
---@return true
function httpsrv.after(fn, options) end

---@param status integer from 400 to 599
---@param fn fun(sess: httpsrv.session, status: integer, message: string, id: string?, traceback: string?)
---@return true
function httpsrv.register_error(status, fn) end

---A command that is being carried out. While its function runs, print goes to whoever has sent it.
---@class httpsrv.command
---@field argc integer number of words
---@field argv table<integer, string> the words, from 0; nil past the last
local command = {}

---Writes the values as print does, for the stdout of whoever has sent the command.
---@param ... any
function command:print(...) end

---The same for stderr.
---@param ... any
function command:complain(...) end

---Registers a command: httpsrv ctl PREFIX ARG... has fn(command) called in the running server, as a task of its own.
---@param prefix string its name, or the words that it begins with
---@param fn fun(cc: httpsrv.command): integer|boolean|nil the exit status: nothing or true is 0, false is 1
---@return true
function httpsrv.register_control(prefix, fn) end

---Waits.
---@param seconds number
---@return true
function httpsrv.sleep(seconds) end

---@param fn fun(...): ...
---@param ... any its arguments
---@return httpsrv.task
function httpsrv.spawn(fn, ...) end

---@param fn fun(...): ...
---@param ... any its arguments
---@return httpsrv.task
function httpsrv.spawn_detached(fn, ...) end

---@generic T
---@param fn fun(...): T
---@param seconds number
---@param ... any its arguments
---@return T ...
function httpsrv.shield(fn, seconds, ...) end

---@param fn fun()
function httpsrv.on_unload(fn) end

---Has fn called in each worker when its scripts have been loaded, before they serve; when it fails they do not load. Not in the threads of pools.
---@param fn fun()
function httpsrv.worker_init(fn) end

---Has fn called when the worker ends in good order, after what on_unload has run.
---@param fn fun()
function httpsrv.worker_exit(fn) end

---The number of the worker that this runs in, from 0.
---@return integer
function httpsrv.worker_id() end

---A dictionary that all workers, reloads and pool threads share.
---@param name string
---@param size? number|string bytes, or "64K", "10M", "1G"; nil: it has to be there
---@return httpsrv.shared? shared, string? message, string? code
function httpsrv.shared(name, size) end


---@param n? integer
---@return httpsrv.queue
function httpsrv.queue(n) end

---@return httpsrv.event
function httpsrv.event() end

---@param n? integer
---@return httpsrv.semaphore
function httpsrv.semaphore(n) end

---@param value any
---@return string? text
---@return string? message
---@return httpsrv.errcode? code
function httpsrv.json_encode(value) end

---@param text string
---@return any value
---@return string? message "… at byte N"
---@return httpsrv.errcode? code
function httpsrv.json_decode(text) end

---An element of XML; its children, strings and elements, stand in its list.
---@class httpsrv.xml_element
---@field tag string
---@field attr? table<string|integer, string> by name; the names in their order in its list
---@field [integer] string|httpsrv.xml_element

---@param element httpsrv.xml_element
---@return string? text
---@return string? message
---@return httpsrv.errcode? code
function httpsrv.xml_encode(element) end

---@param text string
---@return httpsrv.xml_element? element
---@return string? message "… at line N"
---@return httpsrv.errcode? code
function httpsrv.xml_decode(text) end

---@param level httpsrv.level
---@param ... any
function httpsrv.log(level, ...) end

---Seconds of a clock that never jumps.
---@return number
function httpsrv.now() end

---@return "load"|"check"|"run"
function httpsrv.phase() end

---Whether a wait is possible here.
---@return boolean
function httpsrv.async_ok() end

---Whether this is the state of a pool thread.
---@return boolean
function httpsrv.in_pool() end

---@class httpsrv.pool_settings
---@field threads? integer 1 to 1024; 4
---@field queue? integer jobs that may wait for a free thread; 0: any number; 64

---@class httpsrv.pool_stat
---@field name string
---@field id integer
---@field threads_max integer
---@field queue_max integer 0: any number
---@field threads integer started
---@field active integer in a job
---@field queued integer
---@field done integer
---@field wait number seconds from being queued to being begun, on average
---@field run number seconds that a job runs, on average

---Declares a pool; "IO" and "CPU" always exist.
---@param name string
---@param settings? httpsrv.pool_settings
---@return string name
function httpsrv.pool(name, settings) end

---@param name string
---@return httpsrv.pool_stat? stat
---@return string? message
---@return string? code "ENOENT"
function httpsrv.pool_stat(name) end

---@return string[] names "IO" and "CPU" first
function httpsrv.pool_names() end

---Runs fn(...) in a thread of a pool and waits for it. Upvalues, arguments and results are copied.
---@param pool string
---@param fn function
---@param ... any
---@return boolean? ok as pcall; nil when it was not run
---@return any ... the results; the error; message and code ("EAGAIN": the pool is full, "ENOENT", "EDEADLK")
function httpsrv.run_in_pool(pool, fn, ...) end

---How many of each the process has now.
---@return { sessions: integer, ios: integer, tasks: integer, timers: integer, connections: integer, states: integer, generations: integer }
function httpsrv.live() end

---@class httpsrv.task
local task = {}

---Waits.
---@param deadline? number in the seconds of httpsrv.now()
---@return boolean? ok nil: timed out
---@return any ... results, or the error
function task:wait(deadline) end
function task:cancel() end
---@return boolean
function task:is_done() end

---@class httpsrv.queue
local queue = {}

---Waits while the queue is full.
---@param value any not nil
---@param deadline? number
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function queue:put(value, deadline) end
---Waits while the queue is empty.
---@param deadline? number
---@return any value
---@return string? message
---@return httpsrv.errcode? code
function queue:get(deadline) end
---@return integer
function queue:size() end

---@class httpsrv.event
local event = {}

---Waits.
---@param deadline? number
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function event:wait(deadline) end
function event:set() end
function event:clear() end
---@return boolean
function event:is_set() end

---@class httpsrv.semaphore
local semaphore = {}

---Waits.
---@param deadline? number
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function semaphore:acquire(deadline) end
function semaphore:release() end

---@class httpsrv.timerlib
local timerlib = {}

---Runs fn once, so many seconds from now, as a task of its own. A timer goes on when nobody holds it any more.
---One made while scripts are loaded starts when they go live. The name is for listings.
---@param seconds number
---@param fn fun()
---@param name? string
---@return httpsrv.timer
function timerlib.after(seconds, fn, name) end
---Runs fn once, at a time of day. A time that has passed is now; when the clock is set meanwhile, the timer keeps to it.
---@param time number seconds since 1970
---@param fn fun()
---@param name? string
---@return httpsrv.timer
function timerlib.at(time, fn, name) end
---Runs fn again and again, with so many seconds between the beginnings; never beside itself.
---@param seconds number
---@param fn fun()
---@param options? string|{ name?: string, once_per_server?: boolean } a name; once_per_server: one worker runs it for all
---@return httpsrv.timer
function timerlib.every(seconds, fn, options) end

---@class httpsrv.timer
local timer = {}

---Stops it: fn is not called any more. A call that has begun goes on.
---@return boolean was whether it was set
function timer:stop() end
---Starts it anew, as if it had been made now.
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function timer:start() end
---The name that was given, or nil.
---@return string?
function timer:name() end

---@class httpsrv.iolib
---@field O_RDONLY integer
---@field O_WRONLY integer
---@field O_RDWR integer
---@field O_CREAT integer
---@field O_EXCL integer
---@field O_TRUNC integer
---@field O_APPEND integer
---@field O_NONBLOCK integer
---@field O_SYNC integer
---@field O_NOFOLLOW integer
---@field O_DIRECTORY integer
---@field O_CLOEXEC integer
local iolib = {}

---Waits.
---@param name string
---@param mode? string|integer
---@param perm? integer
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function iolib.open(name, mode, perm) end
---@param text string
---@return httpsrv.io
function iolib.memory(text) end
---@param fn fun(write: fun(...: string|number): true?, string?, httpsrv.errcode?)
---@return httpsrv.io
function iolib.generator(fn) end
---@return httpsrv.io? reader
---@return httpsrv.io|string writer
---@return httpsrv.errcode? code
function iolib.pipe() end
---@param argv string[]
---@return httpsrv.child? child
---@return string? message
---@return httpsrv.errcode? code
function iolib.popen(argv) end
---Waits.
---@param address string
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function iolib.connect(address) end
---@param fd integer
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function iolib.fdopen(fd) end
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function iolib.tmpfile() end
---@param ... httpsrv.io
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function iolib.concat(...) end
---@param io httpsrv.io
---@param first integer
---@param last? integer
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function iolib.range(io, first, last) end
---@param io httpsrv.io
---@param level? integer 1 to 9
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function iolib.gzip(io, level) end

---@class httpsrv.scheme
---@field scheme string
---@field open fun(name: string, flags: integer, perm: integer): any, string?, httpsrv.errcode?
---@field read? fun(state: any, n: integer): string?, string?, httpsrv.errcode?
---@field write? fun(state: any, text: string): true?, string?, httpsrv.errcode?
---@field close? fun(state: any)
---@field size? fun(state: any): integer?

---@param def httpsrv.scheme
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function iolib.define(def) end

---@class httpsrv.io
local io = {}

---Waits.
---@param ... integer|"*l"|"*L"|"*a"|"*n"
---@return string|number|nil ...
function io:read(...) end
---@param n? integer
---@return fun(): string?
function io:chunks(n) end
---@return fun(): string?
function io:lines() end
---Waits.
---@param ... string|number
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function io:write(...) end
---Waits.
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function io:flush() end
---@param whence? "set"|"cur"|"end"
---@param offset? integer
---@return integer? position
---@return string? message
---@return httpsrv.errcode? code
function io:seek(whence, offset) end
---@return integer? bytes
---@return string? message
---@return httpsrv.errcode? code
function io:size() end
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function io:close() end
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function io:clone() end

---@class httpsrv.child
---@field stdin httpsrv.io
---@field stdout httpsrv.io
local child = {}

---Waits.
---@return integer? status
---@return string? message "killed by signal N"
---@return integer? signal
function child:wait() end
---@param signal? integer
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function child:kill(signal) end

---@class httpsrv.url
---@field url string as sent
---@field scheme? string
---@field userinfo { user: string?, pass: string? }
---@field host? string
---@field port? integer
---@field path string decoded, normalised
---@field raw_query? string
---@field query? string decoded
---@field fragment? string
---@field attrs? table<string, string>

---@class httpsrv.address
---@field family "inet"|"inet6"|"unix"
---@field ip? string
---@field port? integer
---@field path? string

---One request and its response. Past its end every method gives nil, "session has finished", "EBADF".
---@class httpsrv.session
local session = {}

---@return table
function session:ctx() end
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:detach() end
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:finish() end
---@return string
function session:path_rest() end
---@return string
function session:request_method_get() end
---@return string
function session:request_protocol_get() end
---@return string
function session:request_path_get() end
---@return string?
function session:request_username_get() end
---@param user string|nil
---@return true? ok, string? message, string? code
function session:request_username_set(user) end
---@return string?
function session:request_subject_cn_get() end
---@return httpsrv.url
function session:request_url_get() end
---@return table<string, string[]>
function session:request_args() end
---@param name string
---@return string?
function session:request_header_get(name) end
---@return table<string, string>
function session:request_headers() end
---Waits.
---@return table<string, string>? trailers
---@return string? message
---@return httpsrv.errcode? code
function session:request_trailers() end
---@return string? type
---@return string? charset
function session:request_content_type_get() end
---@return httpsrv.io? io
---@return string? message
---@return httpsrv.errcode? code
function session:request_data_get() end
---Waits.
---@return string? body
---@return string? message
---@return httpsrv.errcode? code
function session:request_data_get_string() end
---Waits.
---@return any value
---@return string? message
---@return httpsrv.errcode? code
function session:request_data_get_json() end
---Waits.
---@return httpsrv.xml_element? element
---@return string? message
---@return httpsrv.errcode? code
function session:request_data_get_xml() end
---Waits.
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:request_data_spool() end
---@return httpsrv.address?
function session:request_peer_address() end
---@return httpsrv.address?
function session:request_local_address() end
---@return httpsrv.address?
function session:client_address() end
---@return string? id
---@return string? message
---@return httpsrv.errcode? code
function session:request_id() end
---@param code integer
---@param message? string
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_status_set(code, message) end
---@param code integer
---@param message? string
---@param mimetype? string
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_status_set_std(code, message, mimetype) end
---@param mimetype? string
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_status_ok(mimetype) end
---@param mimetype? string
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_status_denied(mimetype) end
---@param mimetype? string
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_status_not_found(mimetype) end
---@param mimetype? string
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_status_error(mimetype) end
---@param name string
---@param value string|number|nil
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_header_set(name, value) end
---@param name string
---@param value string|number
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_header_add(name, value) end
---Waits.
---@param data string|number
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_append(data) end
---Waits.
---@param format string
---@param ... any
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_printf(format, ...) end
---@param text string|number
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_string(text) end
---@param value any
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_json(value) end
---@param element httpsrv.xml_element
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_xml(element) end
---Waits when immediate.
---@param io httpsrv.io
---@param immediate? boolean
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_io(io, immediate) end
---Waits.
---@param final? boolean
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:response_flush(final) end
---@param url string
---@param code? 301|302|303|307|308
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:redirect(url, code) end
---@return table<string, string>? cookies
---@return string? message
---@return httpsrv.errcode? code
function session:cookies() end

---@class httpsrv.cookie
---@field path? string
---@field domain? string
---@field max_age? integer seconds; 0: forget it
---@field expires? number seconds since 1970
---@field secure? boolean
---@field http_only? boolean
---@field same_site? "Strict"|"Lax"|"None"

---@param name string
---@param value string|number
---@param attrs? httpsrv.cookie
---@return true? ok
---@return string? message
---@return httpsrv.errcode? code
function session:cookie_set(name, value, attrs) end

---@class httpsrv.form_options
---@field max_bytes? number 1 MiB
---@field max_fields? number 1000

---Waits.
---@param options? httpsrv.form_options
---@return table<string, string[]>? form
---@return string? message
---@return httpsrv.errcode? code
function session:request_form(options) end

return httpsrv
