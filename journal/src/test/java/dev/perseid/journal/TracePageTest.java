package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.OptionalLong;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The page, read by Node with the page's own script.
class TracePageTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String EVIL = "</script><img src=x onerror=alert(1)>\u0000\n&";

  @TempDir Path here;

  /// Chains of three on some machines of several cores, and one task that waits for all.
  static Trace chains(int chains, long seed) throws TraceFailure {
    Random random = new Random(seed);
    Trace.Builder b = new Trace.Builder("chains").title(EVIL);
    long[] free = new long[8];
    long end = 0;
    int last = b.task("last", "last");
    for (int c = 0; c < chains; c++) {
      int before = -1;
      long ready = 0;
      for (String kind : new String[] {"cut", "<b>map", "sort"}) {
        int t = b.task(kind + "[" + c + "]" + (c == 1 ? EVIL : ""), kind);
        if (before >= 0) {
          b.depends(t, before);
        }
        int core = random.nextInt(free.length);
        long start = Math.max(ready, free[core]);
        long run = 1 + random.nextInt(100_000);
        boolean vain = random.nextInt(50) == 0;
        b.attempt(t, 1, "machine " + core / 4, vain ? Ending.LOST : Ending.DONE, vain ? EVIL : "");
        b.set(Measure.READY, ready).set(Measure.START, start).set(Measure.END, start + run);
        if (vain) {
          b.attempt(t, 2, "machine " + core / 4, Ending.DONE, "");
          b.set(Measure.READY, start + run)
              .set(Measure.START, start + run)
              .set(Measure.END, start + 2 * run);
          run *= 2;
        }
        ready = start + run;
        free[core] = ready;
        end = Math.max(end, ready);
        before = t;
      }
      b.depends(last, before);
    }
    b.attempt(last, 1, EVIL, Ending.DONE, "");
    b.set(Measure.READY, end).set(Measure.START, end + 5).set(Measure.END, end + 5_000);
    return b.build();
  }

  private static String page(Trace trace) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    TracePage.write(trace, OptionalLong.empty(), out);
    return out.toString(UTF_8);
  }

  private JsonNode checked(String html) throws Exception {
    Path page = Files.writeString(here.resolve("page.html"), html);
    for (String name : new String[] {"page.js", "page-check.js"}) {
      try (InputStream in = TracePage.class.getResourceAsStream(name)) {
        Files.write(here.resolve(name), in.readAllBytes());
      }
    }
    Process node;
    try {
      node =
          new ProcessBuilder(
                  "node",
                  here.resolve("page-check.js").toString(),
                  page.toString(),
                  here.resolve("page.js").toString())
              .redirectErrorStream(true)
              .start();
    } catch (java.io.IOException e) {
      throw new AssertionError("this test needs Node: apt-get install nodejs", e);
    }
    String text = new String(node.getInputStream().readAllBytes(), UTF_8);
    assertThat(node.waitFor()).as(text).isZero();
    return JSON.readTree(text);
  }

  @Test
  void theScriptDrawsWhatTheTraceSays() throws Exception {
    Trace trace = chains(500, 42);
    JsonNode seen = checked(page(trace));
    assertThat(seen.get("problems")).isEmpty();
    assertThat(seen.at("/names/0").asInt()).isEqualTo(1_501);
    assertThat(seen.at("/names/1").asText()).isEqualTo("last");
    assertThat(seen.get("bars").asInt()).isEqualTo(trace.attempts());
    assertThat(seen.at("/meta/lanes").asInt()).isBetween(9, 10);
    assertThat(seen.at("/meta/levels").asInt()).isEqualTo(4);
    assertThat(seen.at("/meta/edges").asInt()).isEqualTo(1_500);
    assertThat(seen.get("coloured").asBoolean()).isTrue();
    assertThat(seen.get("path").asInt()).isBetween(2, 1_501);
    assertThat(seen.get("numbers").asInt()).isEqualTo(2);
    assertThat(seen.get("first").asInt()).isPositive();
    assertThat(seen.get("duration").asText()).isEqualTo("1.5 ms");
    assertThat(seen.get("close").asText()).isEqualTo("3.3231235 s");
    assertThat(seen.get("step").asInt()).isEqualTo(10);
  }

  @Test
  void theSameTraceIsTheSamePage() throws Exception {
    assertThat(page(chains(20, 1))).isEqualTo(page(chains(20, 1)));
  }

  @Test
  void namesAreTextWhateverTheySay() throws Exception {
    String html = page(chains(3, 5));
    assertThat(html).doesNotContain("<img").doesNotContain("<b>map").doesNotContain("\u0000");
    assertThat(html).contains("&lt;/script&gt;");
    Matcher scripts = Pattern.compile("<script>([^\u0000]*?)</script>").matcher(html);
    assertThat(scripts.find()).isTrue();
    String hash =
        Base64.getEncoder()
            .encodeToString(
                MessageDigest.getInstance("SHA-256").digest(scripts.group(1).getBytes(UTF_8)));
    assertThat(html).contains("script-src 'sha256-" + hash + "'").contains("default-src 'none'");
    assertThat(scripts.find()).as("one script").isFalse();
    assertThat(html).doesNotContainPattern("(src|href)=\"");
  }
}
