package dev.perseid.bench;

import java.io.PrintStream;

/// Where a benchmark prints: results to one stream, how it goes to another.
final class Printout {
  private final PrintStream out;
  private final PrintStream err;

  Printout(PrintStream out, PrintStream err) {
    this.out = out;
    this.err = err;
  }

  void say(String line) {
    out.println(line);
    out.flush();
  }

  void table(Table table) {
    table.lines().forEach(this::say);
  }

  void progress(String line) {
    err.println("  " + line);
    err.flush();
  }
}
