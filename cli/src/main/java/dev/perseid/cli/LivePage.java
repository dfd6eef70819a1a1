package dev.perseid.cli;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.perseid.journal.TraceFailure;
import dev.perseid.journal.TracePage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/// A running job's findings for dashboards on this machine: `GET /` the page, which renews itself,
/// `GET /findings` the figures as JSON, `GET /events` the same as they change (server-sent events
/// `findings`, with a growing number as id, and `end` at the end). Listens on the loopback address
/// only, and answers only who calls it by a name of this machine, so that no page from elsewhere
/// can read it through a browser. However many ask, a page is made once for each change.
final class LivePage implements AutoCloseable {
  private static final int LISTENERS = 64;
  private static final long HEARTBEAT_MS = 15_000;

  /// After which a browser asks again that came before there was anything.
  private static final int EARLY_S = 2;

  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Semaphore places = new Semaphore(LISTENERS);
  private final Object lock = new Object();
  private LiveFindings.@Nullable Latest latest;
  private String json = "";
  private long version;
  private boolean ended;

  private final Object making = new Object();
  private byte[] made = {};
  private long madeVersion;

  private LivePage(HttpServer server) {
    this.server = server;
  }

  /// @param port 0 for any that is free
  static LivePage open(int port) throws BadInput {
    try {
      LivePage page =
          new LivePage(
              HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0));
      page.server.createContext("/", page::answer);
      page.server.setExecutor(page.threads);
      page.server.start();
      return page;
    } catch (IOException e) {
      throw new BadInput("--serve: port " + port + " cannot be opened: " + e.getMessage());
    }
  }

  int port() {
    return server.getAddress().getPort();
  }

  void publish(LiveFindings.Latest newest) {
    String text = newest.json();
    synchronized (lock) {
      latest = newest;
      json = text;
      version++;
      lock.notifyAll();
    }
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String host = exchange.getRequestHeaders().getFirst("Host") + "";
      if (!host.matches("(localhost|127\\.0\\.0\\.1|\\[::1])(:\\d+)?")) {
        say(exchange, 403, "text/plain", "this answers only to a name of this machine\n");
        return;
      }
      if (!exchange.getRequestMethod().equals("GET")) {
        say(exchange, 405, "text/plain", "only GET\n");
        return;
      }
      switch (exchange.getRequestURI().getPath()) {
        case "/" -> page(exchange);
        case "/findings" -> findings(exchange);
        case "/events" -> events(exchange);
        default -> say(exchange, 404, "text/plain", "there are /, /findings and /events\n");
      }
    }
  }

  private void page(HttpExchange exchange) throws IOException {
    byte[] page;
    synchronized (making) {
      LiveFindings.Latest now;
      long nowVersion;
      synchronized (lock) {
        now = latest;
        nowVersion = version;
      }
      if (now == null) {
        exchange.getResponseHeaders().add("Refresh", "" + EARLY_S);
        say(exchange, 503, "text/plain", "no task has ended yet\n");
        return;
      }
      if (madeVersion != nowVersion) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
          TracePage.writeLive(now.trace(), nowVersion, out);
        } catch (TraceFailure e) {
          say(exchange, 503, "text/plain", e.getMessage() + "\n");
          return;
        }
        made = out.toByteArray();
        madeVersion = nowVersion;
      }
      page = made;
    }
    say(exchange, 200, "text/html; charset=utf-8", page);
  }

  private void findings(HttpExchange exchange) throws IOException {
    String now;
    synchronized (lock) {
      now = json;
    }
    boolean any = !now.isEmpty();
    say(
        exchange,
        any ? 200 : 503,
        any ? "application/json" : "text/plain",
        any ? now : "no task has ended yet\n");
  }

  private void events(HttpExchange exchange) throws IOException {
    if (!places.tryAcquire()) {
      say(exchange, 429, "text/plain", LISTENERS + " listen already\n");
      return;
    }
    try {
      exchange.getResponseHeaders().add("Content-Type", "text/event-stream");
      exchange.getResponseHeaders().add("Cache-Control", "no-store");
      exchange.sendResponseHeaders(200, 0);
      OutputStream out = exchange.getResponseBody();
      long told = 0;
      while (true) {
        String event;
        boolean last;
        synchronized (lock) {
          if (told == version && !ended) {
            lock.wait(HEARTBEAT_MS);
          }
          last = ended && told == version;
          event =
              last
                  ? "event: end\ndata: {}\n\n"
                  : told < version
                      ? "event: findings\nid: " + version + "\ndata: " + json + "\n\n"
                      : ": waiting\n\n";
          told = version;
        }
        out.write(event.getBytes(StandardCharsets.UTF_8));
        out.flush();
        if (last) {
          return;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      places.release();
    }
  }

  private static void say(HttpExchange exchange, int status, String type, String text)
      throws IOException {
    say(exchange, status, type, text.getBytes(StandardCharsets.UTF_8));
  }

  private static void say(HttpExchange exchange, int status, String type, byte[] body)
      throws IOException {
    exchange.getResponseHeaders().add("Content-Type", type);
    exchange.getResponseHeaders().add("Cache-Control", "no-store");
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
  }

  /// Tells listeners the end, and waits a moment for them to hear it.
  @Override
  public void close() {
    synchronized (lock) {
      ended = true;
      lock.notifyAll();
    }
    server.stop(1);
    threads.shutdownNow();
  }
}
