package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.journal.Ending;
import dev.perseid.journal.Findings;
import dev.perseid.journal.Measure;
import dev.perseid.journal.Trace;
import dev.perseid.journal.TracePage;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The page of `perseid analyze --html` and of `perseid watch --serve` in a real browser: drawn,
/// operated by mouse and keyboard, without a complaint and without the network.
class PageInBrowserTest {
  private static final String EVIL = "</script><script>document.title='owned'</script>";
  private static final List<String> PICTURES = List.of("timeline", "cores", "graph");
  private static final String CHOSEN = "rgb(255, 190, 0)";

  private static Browser browser;

  @TempDir Path here;

  @BeforeAll
  static void open() throws Exception {
    browser = Browser.open();
  }

  @AfterAll
  static void close() throws Exception {
    browser.close();
  }

  /// Layers of tasks of three kinds on machines of four cores, each after one of the layer before.
  private static Trace layers(int tasks, int lanes) throws Exception {
    Trace.Builder b = new Trace.Builder("layers").title("layers " + EVIL);
    String[] kinds = {"cut", "align", "sort"};
    for (int t = 0; t < tasks; t++) {
      int layer = t / lanes;
      String kind = kinds[layer % kinds.length];
      b.task(kind + "[" + t + "]", kind);
      if (layer > 0) {
        b.depends(t, t - lanes);
      }
      b.attempt(t, 1, "machine " + t % lanes / 4, Ending.DONE, "");
      long start = layer * 1_000_000L;
      b.set(Measure.READY, start)
          .set(Measure.START, start + 1_000)
          .set(Measure.END, start + 900_000 + t % 7 * 10_000);
    }
    return b.build();
  }

  private Path page(Trace trace) throws Exception {
    Path file = here.resolve("page.html");
    try (OutputStream out = Files.newOutputStream(file)) {
      TracePage.write(trace, OptionalLong.empty(), out);
    }
    return file;
  }

  private static Browser.Tab shown(URI at) throws Exception {
    Browser.Tab tab = browser.go(at);
    tab.until("document.getElementById('frame').textContent !== ''");
    assertThat(tab.complaints()).isEmpty();
    assertThat(tab.value("document.getElementById('frame').textContent").asText())
        .endsWith("ms for this frame");
    return tab;
  }

  /// Of a copy: a canvas that is read often is moved out of the graphics memory, and that is told.
  private static String pixels(String picture) {
    return "const c = document.getElementById('"
        + picture
        + "'), copy = document.createElement('canvas'); copy.width = c.width; copy.height ="
        + " c.height; const g = copy.getContext('2d', {willReadFrequently: true}); g.drawImage(c, 0,"
        + " 0); const d = g.getImageData(0, 0, c.width, c.height).data, at = i => `rgb(${d[i]},"
        + " ${d[i + 1]}, ${d[i + 2]})`;";
  }

  /// The colours of a picture's pixels, with how many have it, as `rgb(1, 2, 3)`.
  private static JsonNode colours(Browser.Tab tab, String picture) throws Exception {
    return tab.value(
        "(() => { "
            + pixels(picture)
            + " const seen = {}; for (let i = 0; i < d.length; i += 4) seen[at(i)] = (seen[at(i)] ||"
            + " 0) + 1; return seen; })()");
  }

  private static List<String> seen(Browser.Tab tab, String picture) throws Exception {
    List<String> seen = new ArrayList<>();
    colours(tab, picture).fieldNames().forEachRemaining(seen::add);
    return seen;
  }

  /// The centre of the longest row of pixels of one colour, in the window's coordinates.
  private static double[] find(Browser.Tab tab, String picture, String colour) throws Exception {
    JsonNode at =
        tab.value(
            "(() => { "
                + pixels(picture)
                + " let best = 0, spot = [-1, -1]; for (let y = 0; y < c.height; y++) { let run = 0;"
                + " for (let x = 0; x < c.width; x++) { run = at(4 * (y * c.width + x)) === '"
                + colour
                + "' ? run + 1 : 0; if (run > best) { best = run; spot = [x - run / 2, y + 0.5]; } }"
                + " } const box = c.getBoundingClientRect(); return [box.left + c.clientLeft +"
                + " spot[0], box.top + c.clientTop + spot[1], best]; })()");
    assertThat(at.get(2).asInt()).as("%s in %s", colour, picture).isPositive();
    return new double[] {at.get(0).asDouble(), at.get(1).asDouble()};
  }

  private static double[] middle(Browser.Tab tab, String id) throws Exception {
    JsonNode at =
        tab.value(
            "(() => { const e = document.getElementById('"
                + id
                + "'); e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
                + " return [b.left + b.width / 2, b.top + b.height / 2]; })()");
    return new double[] {at.get(0).asDouble(), at.get(1).asDouble()};
  }

  private static String picture(Browser.Tab tab, String id) throws Exception {
    return tab.value("document.getElementById('" + id + "').toDataURL()").asText();
  }

  private static List<String> legend(Browser.Tab tab) throws Exception {
    return tab.words(
        "[...document.querySelectorAll('#legend i')].map(i => getComputedStyle(i).backgroundColor)");
  }

  private static void allIsDrawn(Browser.Tab tab) throws Exception {
    List<String> legend = legend(tab);
    assertThat(legend).isNotEmpty();
    for (String picture : PICTURES) {
      assertThat(seen(tab, picture)).as(picture).containsAll(legend);
    }
  }

  @Test
  void anEnginesRunIsDrawnWithoutNetworkOrComplaint() throws Exception {
    Path records = AnalyzeTest.records(here);
    Path file = here.resolve("run.html");
    assertThat(Ran.of("analyze", records.toString(), "--html", file.toString()).exit()).isZero();
    Browser.Tab tab = shown(file.toUri());
    assertThat(tab.value("document.title").asText()).isEqualTo("numbers and 1 more runs");
    assertThat(tab.words("[...document.querySelectorAll('#legend span')].map(s => s.textContent)"))
        .contains("fib", "load", "flow");
    for (String picture : PICTURES) {
      assertThat(colours(tab, picture)).as(picture).hasSizeGreaterThan(3);
    }
    assertThat(tab.complaints()).isEmpty();
    assertThat(tab.requests()).containsExactly(file.toUri().toString());
  }

  @Test
  void itIsOperatedByMouseAndKeyboard() throws Exception {
    Path file = page(layers(960, 16));
    Browser.Tab tab = shown(file.toUri());
    allIsDrawn(tab);
    assertThat(tab.value("document.title").asText()).contains("</script>").isNotEqualTo("owned");

    // Pointing at a bar tells of its task.
    List<String> legend = legend(tab);
    List<String> kinds =
        tab.words("[...document.querySelectorAll('#legend span')].map(s => s.textContent)");
    assertThat(kinds).containsExactlyInAnyOrder("cut", "align", "sort");
    for (int k = 0; k < kinds.size(); k++) {
      double[] bar = find(tab, "timeline", legend.get(k));
      tab.mouse("mouseMoved", bar[0], bar[1], 0);
      assertThat(tab.value("document.getElementById('tip').hidden").asBoolean()).isFalse();
      assertThat(tab.value("document.getElementById('tip').textContent").asText())
          .startsWith(kinds.get(k) + "[")
          .contains("kind " + kinds.get(k))
          .contains("slack");
    }
    double[] search = middle(tab, "find");
    tab.mouse("mouseMoved", search[0], search[1], 0);
    assertThat(tab.value("document.getElementById('tip').hidden").asBoolean()).isTrue();

    // The wheel zooms time in timeline and cores alike, dragging moves, a double click shows all.
    String whole = picture(tab, "timeline");
    String wholeCores = picture(tab, "cores");
    double[] timeline = middle(tab, "timeline");
    for (int i = 0; i < 8; i++) {
      tab.wheel(timeline[0], timeline[1], -120);
    }
    String near = picture(tab, "timeline");
    assertThat(near).isNotEqualTo(whole);
    assertThat(picture(tab, "cores")).isNotEqualTo(wholeCores);
    tab.mouse("mousePressed", timeline[0], timeline[1], 1);
    tab.mouse("mouseMoved", timeline[0] - 200, timeline[1], 0);
    tab.mouse("mouseReleased", timeline[0] - 200, timeline[1], 1);
    assertThat(picture(tab, "timeline")).isNotEqualTo(near).isNotEqualTo(whole);
    assertThat(picture(tab, "cores")).isNotEqualTo(wholeCores);
    tab.click(timeline[0], timeline[1], 2);
    assertThat(picture(tab, "cores")).isEqualTo(wholeCores);
    double[] reset = middle(tab, "reset");
    tab.click(reset[0], reset[1], 1);
    assertThat(picture(tab, "timeline")).isEqualTo(whole);
    assertThat(picture(tab, "cores")).isEqualTo(wholeCores);

    // The graph is of kinds or of tasks.
    String byKind = picture(tab, "graph");
    double[] button = middle(tab, "kinds");
    tab.click(button[0], button[1], 1);
    String byTask = picture(tab, "graph");
    assertThat(byTask).isNotEqualTo(byKind);
    double[] graph = middle(tab, "graph");
    tab.wheel(graph[0], graph[1], -120);
    assertThat(picture(tab, "graph")).isNotEqualTo(byTask);
    button = middle(tab, "kinds");
    tab.click(button[0], button[1], 1);
    assertThat(picture(tab, "graph")).isEqualTo(byKind);

    // What is found is shown in its colour, in both pictures that know tasks.
    assertThat(seen(tab, "timeline")).doesNotContain(CHOSEN);
    search = middle(tab, "find");
    tab.click(search[0], search[1], 1);
    tab.type("align[403]");
    assertThat(tab.value("document.getElementById('find').validationMessage").asText()).isEmpty();
    assertThat(seen(tab, "graph")).contains(CHOSEN);
    middle(tab, "timeline");
    double[] found = find(tab, "timeline", CHOSEN);
    tab.mouse("mouseMoved", found[0], found[1], 0);
    assertThat(tab.value("document.getElementById('tip').textContent").asText())
        .startsWith("align[403]\n");
    search = middle(tab, "find");
    tab.click(search[0], search[1], 3);
    tab.type("nobody");
    assertThat(tab.value("document.getElementById('find').validationMessage").asText())
        .isEqualTo("no task has this in its name");

    assertThat(tab.complaints()).isEmpty();
    assertThat(tab.requests()).containsExactly(file.toUri().toString());
  }

  /// How long its frames take is told in this test's output, and in `docs/performance.md`.
  @Test
  void aHundredThousandTasksAreDrawnAndMoved() throws Exception {
    int tasks = 100_000;
    Path file = page(layers(tasks, 64));
    Browser.Tab tab = shown(file.toUri());
    double drawnMs = tab.value("performance.now()").asDouble();
    allIsDrawn(tab);
    String whole = picture(tab, "timeline");
    double[] timeline = middle(tab, "timeline");
    for (int i = 0; i < 6; i++) {
      tab.wheel(timeline[0], timeline[1], -120);
    }
    assertThat(picture(tab, "timeline")).isNotEqualTo(whole);
    // The button is pressed by the browser; the moves come one a frame, from the page itself.
    tab.mouse("mousePressed", timeline[0], timeline[1], 1);
    JsonNode frames =
        tab.value(
            "new Promise(done => { const c = document.getElementById('timeline'), told ="
                + " document.getElementById('frame'), each = [], work = []; let last = -1, n = 0;"
                + " const step = now => { if (last >= 0) { each.push(now - last);"
                + " work.push(parseFloat(told.textContent)); } last = now; if (n++ === 200) return"
                + " done([each, work]); c.dispatchEvent(new PointerEvent('pointermove', {clientX: "
                + timeline[0]
                + " + 300 * Math.sin(n / 20), clientY: "
                + timeline[1]
                + "})); requestAnimationFrame(step); }; requestAnimationFrame(step); })");
    tab.mouse("mouseReleased", timeline[0], timeline[1], 1);
    assertThat(frames.get(0)).hasSize(200);
    System.out.printf(
        Locale.ROOT,
        "%,d tasks in a browser: drawn after %.0f ms; 200 frames while moving: median %.1f ms from"
            + " frame to frame, 95 %% %.1f ms, of which drawing %.1f and %.1f ms%n",
        tasks,
        drawnMs,
        quantile(frames.get(0), 0.5),
        quantile(frames.get(0), 0.95),
        quantile(frames.get(1), 0.5),
        quantile(frames.get(1), 0.95));
    double[] search = middle(tab, "find");
    tab.click(search[0], search[1], 1);
    tab.type("[99999]");
    middle(tab, "timeline");
    double[] found = find(tab, "timeline", CHOSEN);
    tab.mouse("mouseMoved", found[0], found[1], 0);
    assertThat(tab.value("document.getElementById('tip').textContent").asText())
        .contains("[99999]\n");
    assertThat(tab.complaints()).isEmpty();
    assertThat(tab.requests()).containsExactly(file.toUri().toString());
  }

  private static double quantile(JsonNode numbers, double part) {
    List<Double> all = new ArrayList<>();
    numbers.forEach(n -> all.add(n.asDouble()));
    return all.stream().sorted().skip((long) (part * all.size())).findFirst().orElseThrow();
  }

  @Test
  void thePageOfARunningJobRenewsItselfAndStaysWhereItsReaderIs() throws Exception {
    try (LivePage live = LivePage.open(0)) {
      live.publish(latest(layers(480, 16)));
      URI at = URI.create("http://127.0.0.1:" + live.port() + "/");
      Browser.Tab tab = shown(at);
      allIsDrawn(tab);
      tab.until("document.getElementById('live').textContent === 'live'");
      String first = picture(tab, "timeline");
      live.publish(latest(layers(960, 16)));
      tab.until("document.querySelector('#summary p').textContent.startsWith('960 tasks')");
      tab.drawn();
      allIsDrawn(tab);
      assertThat(picture(tab, "timeline")).as("twice as long").isNotEqualTo(first);

      double[] search = middle(tab, "find");
      tab.click(search[0], search[1], 1);
      tab.type("align[403]");
      middle(tab, "timeline");
      double[] near = find(tab, "timeline", CHOSEN);
      live.publish(latest(layers(1_440, 16)));
      tab.until("document.querySelector('#summary p').textContent.startsWith('1,440 tasks')");
      tab.drawn();
      // A bar of the chain has a frame, and it may be in the chain of one version only.
      assertThat(find(tab, "timeline", CHOSEN)).containsExactly(near, within(4.0));

      live.close();
      tab.until("document.getElementById('live').textContent === 'the job has ended'");
      assertThat(tab.complaints()).isEmpty();
      assertThat(tab.requests())
          .startsWith(at.toString(), at + "events")
          .containsOnly(at.toString(), at + "events");
    }
  }

  private static LiveFindings.Latest latest(Trace trace) throws Exception {
    return new LiveFindings.Latest(trace, Findings.of(trace, OptionalLong.empty()));
  }

  /// What the other tests do not see must be what does not happen.
  @Test
  void complaintsAndRequestsAreSeen() throws Exception {
    assertThat(browser.go(file("<script>throw new Error('thrown')</script>")).complaints())
        .singleElement()
        .asString()
        .contains("thrown");
    assertThat(browser.go(file("<script>console.error('said')</script>")).complaints())
        .containsExactly("said");
    Browser.Tab asking = browser.go(file("<img src=\"http://127.0.0.1:1/x.png\">"));
    assertThat(asking.requests()).hasSize(2).contains("http://127.0.0.1:1/x.png");
    Browser.Tab barred =
        browser.go(
            file(
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">"
                    + "<script>document.title = 'owned'</script>"));
    assertThat(barred.complaints()).singleElement().asString().contains("Content Security Policy");
    assertThat(barred.value("document.title").asText()).isNotEqualTo("owned");
  }

  private URI file(String html) throws IOException {
    return Files.writeString(here.resolve("small.html"), "<!DOCTYPE html>" + html).toUri();
  }
}
