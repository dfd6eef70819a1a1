package dev.perseid.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A real browser (Chromium without a window), told what to do by its DevTools protocol over a web
/// socket. It reaches no machine but this one.
final class Browser implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern LISTENS = Pattern.compile("DevTools listening on (ws://\\S+)");

  /// How long the browser may take for anything. Far more than it needs: only what hangs ends so.
  private static final long PATIENCE_S = 120;

  private final Path profile;
  private final Process process;
  private final HttpClient http = HttpClient.newHttpClient();
  private final AtomicInteger ids = new AtomicInteger();
  private final Map<Integer, CompletableFuture<JsonNode>> asked = new ConcurrentHashMap<>();
  private final Map<String, Tab> tabs = new ConcurrentHashMap<>();
  private final WebSocket socket;

  private Browser(Path profile, Process process, URI at) throws Exception {
    this.profile = profile;
    this.process = process;
    socket =
        http.newWebSocketBuilder()
            .buildAsync(at, new Ears())
            .orTimeout(PATIENCE_S, TimeUnit.SECONDS)
            .get();
  }

  static Browser open() throws Exception {
    Path profile = Files.createTempDirectory("perseid-browser");
    Process process;
    try {
      process =
          new ProcessBuilder(
                  "chromium",
                  "--headless=new",
                  "--remote-debugging-port=0",
                  "--user-data-dir=" + profile,
                  // Root, whom containers know alone, is refused a sandbox. Only our own pages are
                  // opened.
                  "--no-sandbox",
                  "--disable-gpu",
                  "--disable-dev-shm-usage",
                  "--disable-background-networking",
                  "--disable-component-update",
                  "--disable-default-apps",
                  "--disable-extensions",
                  "--disable-sync",
                  "--disable-crash-reporter",
                  "--no-first-run",
                  "--mute-audio",
                  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                  "--force-device-scale-factor=1",
                  "--window-size=1500,1300",
                  "about:blank")
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
    } catch (IOException e) {
      throw new AssertionError("this test needs Chromium: apt-get install chromium", e);
    }
    StringBuilder said = new StringBuilder();
    BufferedReader errors = process.errorReader(StandardCharsets.UTF_8);
    for (String line = errors.readLine(); line != null; line = errors.readLine()) {
      Matcher listens = LISTENS.matcher(line);
      if (listens.find()) {
        // It goes on to complain of what containers lack, and must not wait for a reader.
        Thread.ofVirtual().start(() -> errors.lines().forEach(ignored -> {}));
        return new Browser(profile, process, URI.create(listens.group(1)));
      }
      said.append(line).append('\n');
    }
    throw new AssertionError("Chromium did not start: " + said);
  }

  /// Opens a page and waits until it is loaded.
  Tab go(URI page) throws Exception {
    String target =
        ask(null, "Target.createTarget", Map.of("url", "about:blank")).get("targetId").asText();
    String session =
        ask(null, "Target.attachToTarget", Map.of("targetId", target, "flatten", true))
            .get("sessionId")
            .asText();
    Tab tab = new Tab(session);
    tabs.put(session, tab);
    for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
      tab.ask(domain + ".enable", Map.of());
    }
    JsonNode gone = tab.ask("Page.navigate", Map.of("url", page.toString()));
    if (gone.has("errorText")) {
      throw new AssertionError(page + ": " + gone.get("errorText").asText());
    }
    tab.loaded.get(PATIENCE_S, TimeUnit.SECONDS);
    return tab;
  }

  private JsonNode ask(@Nullable String session, String method, Map<String, ?> parameters)
      throws Exception {
    int id = ids.incrementAndGet();
    CompletableFuture<JsonNode> answer = new CompletableFuture<>();
    asked.put(id, answer);
    ObjectNode message = JSON.createObjectNode().put("id", id).put("method", method);
    message.set("params", JSON.valueToTree(parameters));
    if (session != null) {
      message.put("sessionId", session);
    }
    socket.sendText(message.toString(), true).get(PATIENCE_S, TimeUnit.SECONDS);
    try {
      return answer.get(PATIENCE_S, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new AssertionError("no answer to " + message, e);
    }
  }

  private void heard(JsonNode message) {
    if (message.has("id")) {
      CompletableFuture<JsonNode> answer = asked.remove(message.get("id").asInt());
      if (answer == null) {
        return;
      }
      if (message.has("error")) {
        answer.completeExceptionally(new AssertionError(message.get("error").toString()));
      } else {
        answer.complete(message.get("result"));
      }
      return;
    }
    Tab tab = tabs.get(message.path("sessionId").asText());
    if (tab != null) {
      tab.heard(message.get("method").asText(), message.get("params"));
    }
  }

  @Override
  public void close() throws Exception {
    List<ProcessHandle> all =
        Stream.concat(Stream.of(process.toHandle()), process.descendants()).toList();
    ask(null, "Browser.close", Map.of());
    for (ProcessHandle one : all) {
      try {
        one.onExit().get(PATIENCE_S, TimeUnit.SECONDS);
      } catch (TimeoutException e) {
        one.destroyForcibly();
      }
    }
    socket.abort();
    http.close();
    try (Stream<Path> files = Files.walk(profile)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }

  /// What comes over the socket, put together again.
  private final class Ears implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public @Nullable CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
      text.append(part);
      if (last) {
        try {
          heard(JSON.readTree(text.toString()));
        } catch (IOException e) {
          throw new AssertionError("the browser sends JSON", e);
        }
        text.setLength(0);
      }
      from.request(1);
      return null;
    }
  }

  /// A page, and what it has complained of and asked the network for.
  final class Tab {
    private final String session;
    private final CompletableFuture<Boolean> loaded = new CompletableFuture<>();
    private final List<String> complaints = new CopyOnWriteArrayList<>();
    private final List<String> requests = new CopyOnWriteArrayList<>();

    private Tab(String session) {
      this.session = session;
    }

    private JsonNode ask(String method, Map<String, ?> parameters) throws Exception {
      return Browser.this.ask(session, method, parameters);
    }

    private void heard(String method, JsonNode what) {
      switch (method) {
        case "Page.loadEventFired" -> loaded.complete(true);
        case "Network.requestWillBeSent" -> requests.add(what.at("/request/url").asText());
        case "Network.webSocketCreated" -> requests.add(what.at("/url").asText());
        case "Runtime.exceptionThrown" ->
            complaints.add(what.at("/exceptionDetails/exception/description").asText());
        case "Runtime.consoleAPICalled" -> {
          if (List.of("error", "warning", "assert").contains(what.get("type").asText())) {
            complaints.add(what.at("/args/0/value").asText());
          }
        }
        case "Log.entryAdded" -> {
          if (List.of("error", "warning").contains(what.at("/entry/level").asText())) {
            complaints.add(what.at("/entry/text").asText());
          }
        }
        default -> {
          // Of no interest here.
        }
      }
    }

    /// Errors and warnings of scripts, of the console, of the page's policy and of loading.
    List<String> complaints() {
      return List.copyOf(complaints);
    }

    /// Every address that the page asked for, its own first.
    List<String> requests() {
      return List.copyOf(requests);
    }

    /// The value of an expression of JavaScript; a promise is waited for.
    JsonNode value(String expression) throws Exception {
      JsonNode answer =
          ask(
              "Runtime.evaluate",
              Map.of("expression", expression, "awaitPromise", true, "returnByValue", true));
      if (answer.has("exceptionDetails")) {
        throw new AssertionError(expression + ": " + answer.get("exceptionDetails"));
      }
      return answer.at("/result/value");
    }

    /// Waits until an expression is true, which is looked at in each frame.
    void until(String condition) throws Exception {
      value(
          "new Promise(done => { const look = () => ("
              + condition
              + ") ? done(true) : requestAnimationFrame(look); look(); })");
    }

    /// Waits until what was asked to be drawn is drawn.
    void drawn() throws Exception {
      value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
    }

    /// @param type `mouseMoved`, `mousePressed` or `mouseReleased`
    void mouse(String type, double x, double y, int clicks) throws Exception {
      ask(
          "Input.dispatchMouseEvent",
          Map.of(
              "type",
              type,
              "x",
              x,
              "y",
              y,
              "button",
              type.equals("mouseMoved") ? "none" : "left",
              "clickCount",
              clicks));
      drawn();
    }

    /// @param down above zero: away from who turns it, which makes things smaller
    void wheel(double x, double y, int down) throws Exception {
      ask(
          "Input.dispatchMouseEvent",
          Map.of("type", "mouseWheel", "x", x, "y", y, "deltaX", 0, "deltaY", down));
      drawn();
    }

    void click(double x, double y, int times) throws Exception {
      for (int click = 1; click <= times; click++) {
        mouse("mousePressed", x, y, click);
        mouse("mouseReleased", x, y, click);
      }
    }

    /// Types into what has the focus, and ends with the return key.
    void type(String text) throws Exception {
      ask("Input.insertText", Map.of("text", text));
      for (String kind : List.of("keyDown", "keyUp")) {
        ask(
            "Input.dispatchKeyEvent",
            Map.of(
                "type",
                kind,
                "key",
                "Enter",
                "code",
                "Enter",
                "text",
                kind.equals("keyDown") ? "\r" : "",
                "windowsVirtualKeyCode",
                13));
      }
      drawn();
    }

    List<String> words(String expression) throws Exception {
      List<String> words = new ArrayList<>();
      value(expression).forEach(word -> words.add(word.asText()));
      return words;
    }
  }
}
