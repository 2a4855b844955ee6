-- pairs.lua - which Lua function is the face of which C function.
--
-- The rule: ec_httpsrv_X is session:X or httpsrv.X, io_wrapper_X is io:X or httpsrv.io.X. What follows another rule stands here; false:
-- no Lua function, though one is named alike.
return {
  ec_httpsrv_ctx_get = "session:ctx",
  ec_httpsrv_ctx_set = "session:ctx",
  ec_httpsrv_request_header_next = "session:request_headers",
  ec_httpsrv_request_trailer_next = "session:request_trailers",
  io_wrapper_open_memory = "httpsrv.io.memory",
  io_wrapper_copy_memory = "httpsrv.io.memory",
  io_wrapper_open_tmpspool = "httpsrv.io.tmpfile",
  io_wrapper_lseek = "io:seek",
  io_wrapper_get_size = "io:size",
  io_wrapper_delref = "io:close",
}
