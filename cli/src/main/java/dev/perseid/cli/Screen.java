package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;

/// Where a command prints: results to `out`, everything else to `err`. Used by one command; its
/// methods may be called from several threads.
final class Screen {
  /// Writes one JSON document.
  interface JsonBody {
    void write(JsonGenerator json) throws IOException;
  }

  private final PrintStream out;
  private final PrintStream err;
  private final boolean live;
  private int liveChars;

  /// @param live whether `out` is a terminal on which a line can be redrawn
  Screen(PrintStream out, PrintStream err, boolean live) {
    this.out = out;
    this.err = err;
    this.live = live;
  }

  /// The process's own streams. The launcher says whether they are a terminal, which costs it
  /// nothing and the JVM 50 ms.
  static Screen ofProcess() {
    return new Screen(System.out, System.err, Boolean.getBoolean("perseid.terminal"));
  }

  boolean live() {
    return live;
  }

  PrintStream err() {
    return err;
  }

  /// The stream of results, for bytes.
  PrintStream out() {
    return out;
  }

  synchronized void say(String line) {
    wipe();
    out.println(printable(line));
    out.flush();
  }

  void say(List<String> lines) {
    lines.forEach(this::say);
  }

  /// A piece of text that goes on; line ends are kept.
  synchronized void write(String text) {
    wipe();
    StringBuilder safe = new StringBuilder(text.length());
    text.codePoints()
        .forEach(c ->
            safe.appendCodePoint(Character.isISOControl(c) && c != '\t' && c != '\n' ? '?' : c));
    out.print(safe);
    out.flush();
  }

  /// A remark that is not the result.
  synchronized void note(String line) {
    wipe();
    err.println(printable(line));
    err.flush();
  }

  /// Draws a line that the next one replaces; only on a terminal.
  synchronized void redraw(String line) {
    if (live) {
      String text = printable(line);
      out.print("\r" + text + " ".repeat(Math.max(0, liveChars - text.length())));
      out.flush();
      liveChars = text.length();
    }
  }

  /// One JSON document on a line of its own.
  void json(JsonBody body) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
      body.write(json);
    } catch (IOException e) {
      throw new UncheckedIOException("strings can be written", e);
    }
    synchronized (this) {
      out.println(text);
      out.flush();
    }
  }

  /// One fact: a line for people, or an object with one field for programs.
  void tell(boolean asJson, String field, String value, String line) {
    if (asJson) {
      json(json -> {
        json.writeStartObject();
        json.writeStringField(field, value);
        json.writeEndObject();
      });
    } else {
      say(line);
    }
  }

  private void wipe() {
    if (liveChars > 0) {
      out.print("\r" + " ".repeat(liveChars) + "\r");
      liveChars = 0;
    }
  }

  /// Control characters come from outside (names, reasons) and must not steer the terminal.
  static String printable(String line) {
    StringBuilder safe = new StringBuilder(line.length());
    line.codePoints()
        .forEach(c -> safe.appendCodePoint(Character.isISOControl(c) && c != '\t' ? '?' : c));
    return safe.toString();
  }
}
