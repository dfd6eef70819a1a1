package dev.perseid.inference;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/// An HTTP server over bare sockets, so that a script can do everything wrong that a server can.
final class ScriptedServer implements AutoCloseable {
  /// One request.
  static final class Call {
    final String method;
    final String path;
    final Map<String, String> headers;
    final String body;
    final int connection;
    private final Socket socket;
    private final OutputStream out;

    private Call(
        String method,
        String path,
        Map<String, String> headers,
        String body,
        int connection,
        Socket socket)
        throws IOException {
      this.method = method;
      this.path = path;
      this.headers = headers;
      this.body = body;
      this.connection = connection;
      this.socket = socket;
      this.out = socket.getOutputStream();
    }

    void raw(String text) {
      raw(text.getBytes(StandardCharsets.UTF_8));
    }

    void raw(byte[] bytes) {
      try {
        out.write(bytes);
        out.flush();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    void answer(int status, String type, String body, String... moreHeaders) {
      StringBuilder head = new StringBuilder("HTTP/1.1 " + status + " Word\r\n");
      head.append("content-type: ").append(type).append("\r\ncontent-length: ");
      head.append(body.getBytes(StandardCharsets.UTF_8).length).append("\r\n");
      for (String header : moreHeaders) {
        head.append(header).append("\r\n");
      }
      raw(head + "\r\n" + body);
    }

    void json(int status, String body, String... moreHeaders) {
      answer(status, "application/json", body, moreHeaders);
    }

    void error(int status, String code, String message, String... moreHeaders) {
      json(
          status,
          "{\"error\":{\"message\":\"%s\",\"type\":\"x\",\"param\":null,\"code\":\"%s\"}}"
              .formatted(message, code),
          moreHeaders);
    }

    /// Begins a stream in HTTP chunks.
    void stream() {
      raw(
          "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding:"
              + " chunked\r\n\r\n");
    }

    void piece(byte[] bytes) {
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      all.writeBytes((Integer.toHexString(bytes.length) + "\r\n").getBytes(StandardCharsets.UTF_8));
      all.writeBytes(bytes);
      all.writeBytes("\r\n".getBytes(StandardCharsets.UTF_8));
      raw(all.toByteArray());
    }

    void event(String data) {
      piece(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
    }

    void end() {
      raw("0\r\n\r\n");
    }

    /// Closes the connection, as a process that dies does.
    void cut() {
      try {
        socket.setSoLinger(true, 0);
        socket.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /// Returns when the client has closed the connection.
    void untilClosed() {
      try {
        while (socket.getInputStream().read() >= 0) {
          continue;
        }
      } catch (IOException e) {
        // A reset is an end too.
        return;
      }
    }
  }

  /// What the server does.
  interface Script {
    void serve(Call call) throws Exception;
  }

  private final ServerSocket listening;
  private final Script script;
  private final AtomicInteger connections = new AtomicInteger();
  private final CountDownLatch over = new CountDownLatch(1);

  /// All calls to a model that came.
  final List<Call> calls = new CopyOnWriteArrayList<>();

  ScriptedServer(Script script) throws IOException {
    this(new ServerSocket(0, 200, InetAddress.getLoopbackAddress()), script);
  }

  ScriptedServer(ServerSocket listening, Script script) {
    this.listening = listening;
    this.script = script;
    Thread.ofVirtual().start(this::accept);
  }

  int port() {
    return listening.getLocalPort();
  }

  URI base() {
    return URI.create("http://127.0.0.1:" + port());
  }

  /// Never returns before the server is closed.
  void silence() throws InterruptedException {
    over.await();
  }

  private void accept() {
    try {
      while (true) {
        Socket socket = listening.accept();
        int number = connections.incrementAndGet();
        Thread.ofVirtual().start(() -> serve(socket, number));
      }
    } catch (IOException e) {
      over.countDown();
    }
  }

  private void serve(Socket socket, int number) {
    try (socket) {
      InputStream in = new BufferedInputStream(socket.getInputStream());
      for (String first = line(in); !first.isEmpty(); first = line(in)) {
        Map<String, String> headers = new TreeMap<>();
        for (String h = line(in); !h.isEmpty(); h = line(in)) {
          int colon = h.indexOf(':');
          headers.put(
              h.substring(0, colon).toLowerCase(Locale.ROOT), h.substring(colon + 1).strip());
        }
        int length = Integer.parseInt(headers.getOrDefault("content-length", "0"));
        String body = new String(in.readNBytes(length), StandardCharsets.UTF_8);
        String[] words = first.split(" ");
        Call call = new Call(words[0], words[1], headers, body, number, socket);
        if (call.method.equals("POST")) {
          calls.add(call);
        }
        script.serve(call);
      }
    } catch (Exception e) {
      // The client went, or the script closed the socket: what a test expects it checks itself.
      return;
    }
  }

  private static String line(InputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int b = in.read(); b >= 0 && b != '\n'; b = in.read()) {
      if (b != '\r') {
        line.write(b);
      }
    }
    return line.toString(StandardCharsets.UTF_8);
  }

  @Override
  public void close() throws IOException {
    listening.close();
    over.countDown();
  }
}
