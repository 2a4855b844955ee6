// The handlers for Node: node node.js PORT FILES
"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");

const port = Number(process.argv[2]);
const files = process.argv[3];
const piece = Buffer.alloc(16384, "x");

function answer(response, type, body) {
  response.writeHead(200, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

function whole(request, done) {
  const pieces = [];
  request.on("data", (chunk) => pieces.push(chunk));
  request.on("end", () => done(Buffer.concat(pieces)));
}

function stream(response, length) {
  response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": length });
  let left = length;
  const more = () => {
    while (left > 0) {
      const now = left < piece.length ? piece.subarray(0, left) : piece;
      left -= now.length;
      if (!response.write(now)) {
        response.once("drain", more);
        return;
      }
    }
    response.end();
  };
  more();
}

function file(response, name) {
  const full = path.join(files, path.basename(name));
  fs.stat(full, (error, info) => {
    if (error) {
      response.writeHead(404);
      response.end();
      return;
    }
    response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": info.size });
    fs.createReadStream(full).pipe(response);
  });
}

const server = http.createServer((request, response) => {
  const url = request.url;
  if (url === "/hello") {
    answer(response, "text/plain", "Hello, World!");
  } else if (url === "/json") {
    answer(response, "application/json", JSON.stringify({ message: "Hello, World!" }));
  } else if (url === "/echo") {
    whole(request, (body) => answer(response, "application/json", JSON.stringify(JSON.parse(body))));
  } else if (url.startsWith("/stream")) {
    const found = /^\/stream\/(\d+)$/.exec(url);
    stream(response, found ? Number(found[1]) : 1048576);
  } else if (url === "/upload") {
    whole(request, (body) => answer(response, "text/plain", String(body.length)));
  } else if (url.startsWith("/files/")) {
    file(response, url.slice(7));
  } else {
    response.writeHead(404);
    response.end();
  }
});
server.keepAliveTimeout = 0;
server.headersTimeout = 0;
server.requestTimeout = 0;
server.maxRequestsPerSocket = 0;
server.listen({ host: "127.0.0.1", port, backlog: 4096 });
