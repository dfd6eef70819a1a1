package dev.perseid.node;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/// A pool's blob store on loopback, by the JDK's own HTTP server, that can be told to misbehave.
final class BlobHost implements AutoCloseable {
  /// How an answer to GET goes wrong.
  enum Fault {
    NONE,
    /// Breaks off after half of what was asked for.
    CUT,
    /// Sends other bytes.
    CORRUPT,
    /// Sends more bytes than the blob has.
    LONGER,
    /// Ignores Range.
    WHOLE,
    BUSY
  }

  final Map<Hash, byte[]> blobs = new ConcurrentHashMap<>();
  final Map<Hash, byte[]> partial = new ConcurrentHashMap<>();
  final List<String> requests = new CopyOnWriteArrayList<>();

  /// Faults of the next GETs and PUTs, one each.
  final List<Fault> faults = new ArrayList<>();

  final AtomicInteger atOnce = new AtomicInteger();
  final AtomicInteger mostAtOnce = new AtomicInteger();

  /// GETs wait for it when set.
  volatile CountDownLatch gate = new CountDownLatch(0);

  volatile String token = "good";
  private final HttpServer server;

  BlobHost() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.createContext(
        "/v1/blobs/",
        exchange -> {
          mostAtOnce.accumulateAndGet(atOnce.incrementAndGet(), Math::max);
          try (exchange) {
            handle(exchange);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          } finally {
            atOnce.decrementAndGet();
          }
        });
    server.start();
  }

  URI uri() {
    return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
  }

  Blob add(byte[] bytes) {
    Blob blob = new Blob(Hash.sha256(bytes), bytes.length);
    blobs.put(blob.hash(), bytes);
    return blob;
  }

  synchronized void misbehave(Fault... next) {
    faults.addAll(List.of(next));
  }

  private synchronized Fault next() {
    return faults.isEmpty() ? Fault.NONE : faults.removeFirst();
  }

  private void handle(HttpExchange x) throws IOException, InterruptedException {
    String path = x.getRequestURI().getPath();
    Hash hash = Hash.parse(path.substring(path.lastIndexOf('/') + 1));
    String range = String.valueOf(x.getRequestHeaders().getFirst("Range"));
    String contentRange = String.valueOf(x.getRequestHeaders().getFirst("Content-Range"));
    requests.add(x.getRequestMethod() + " " + (range + contentRange).replace("null", ""));
    if (!("Bearer " + token).equals(x.getRequestHeaders().getFirst("Authorization"))) {
      answer(x, 401, "log in again");
      return;
    }
    switch (x.getRequestMethod()) {
      case "GET" -> get(x, hash, range);
      case "HEAD" -> {
        if (blobs.containsKey(hash)) {
          x.getResponseHeaders().set("Content-Length", "" + blobs.get(hash).length);
          x.sendResponseHeaders(200, -1);
        } else {
          x.getResponseHeaders()
              .set("Upload-Offset", "" + partial.getOrDefault(hash, new byte[0]).length);
          x.sendResponseHeaders(404, -1);
        }
      }
      case "PUT" -> put(x, hash, contentRange);
      default -> answer(x, 405, "");
    }
  }

  private void get(HttpExchange x, Hash hash, String range)
      throws IOException, InterruptedException {
    gate.await();
    Fault fault = next();
    byte[] bytes = blobs.get(hash);
    if (bytes == null) {
      answer(x, 404, "no such blob");
      return;
    }
    if (fault == Fault.BUSY) {
      answer(x, 503, "later");
      return;
    }
    int from = 0;
    if (range.startsWith("bytes=") && fault != Fault.WHOLE) {
      from = Integer.parseInt(range.substring(6, range.length() - 1));
      x.getResponseHeaders()
          .set("Content-Range", "bytes " + from + "-" + (bytes.length - 1) + "/" + bytes.length);
    }
    byte[] part = java.util.Arrays.copyOfRange(bytes, from, bytes.length);
    if (fault == Fault.CORRUPT) {
      part[part.length / 2] ^= 1;
    }
    if (fault == Fault.LONGER) {
      part = java.util.Arrays.copyOf(part, part.length + 1);
    }
    x.sendResponseHeaders(from > 0 ? 206 : 200, part.length);
    if (fault == Fault.CUT) {
      x.getResponseBody().write(part, 0, part.length / 2);
      x.getResponseBody().flush();
      throw new IOException("cut");
    }
    x.getResponseBody().write(part);
  }

  private void put(HttpExchange x, Hash hash, String contentRange) throws IOException {
    Fault fault = next();
    byte[] before = partial.getOrDefault(hash, new byte[0]);
    int offset = 0;
    if (contentRange.startsWith("bytes ")) {
      offset = Integer.parseInt(contentRange.substring(6, contentRange.indexOf('-')));
    }
    if (offset > before.length) {
      x.getResponseHeaders().set("Upload-Offset", "" + before.length);
      answer(x, 409, "offset");
      return;
    }
    if (fault == Fault.BUSY) {
      answer(x, 503, "later");
      return;
    }
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.write(before, 0, offset);
    InputStream in = x.getRequestBody();
    if (fault == Fault.CUT) {
      int length = Integer.parseInt(x.getRequestHeaders().getFirst("Content-Length"));
      all.write(in.readNBytes(length / 2));
      partial.put(hash, all.toByteArray());
      throw new IOException("cut");
    }
    in.transferTo(all);
    if (!Hash.sha256(all.toByteArray()).equals(hash)) {
      answer(x, 400, "these bytes have another hash");
      return;
    }
    blobs.put(hash, all.toByteArray());
    answer(x, 201, "");
  }

  private static void answer(HttpExchange x, int status, String text) throws IOException {
    byte[] body = text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    x.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    x.getResponseBody().write(body);
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
