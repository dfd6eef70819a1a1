package dev.perseid.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A program that runs to its end or until its time is over, whose lines are read meanwhile.
final class Errand implements AutoCloseable {
  private final Process process;
  private final BufferedReader out;
  private final int limitS;
  private volatile boolean late;
  private String lastLine = "it said nothing";

  private Errand(Process process, int limitS) {
    this.process = process;
    this.limitS = limitS;
    out = process.inputReader(StandardCharsets.UTF_8);
  }

  /// Starts it.
  ///
  /// @param builder what to run; what it says of errors is read with the rest
  /// @param input what it finds on its standard input, less than a pipe holds
  /// @param limitS when it is killed, with whatever it started
  static Errand send(ProcessBuilder builder, byte[] input, int limitS) throws IOException {
    Process process = builder.redirectErrorStream(true).start();
    Errand errand = new Errand(process, limitS);
    var _ =
        process
            .onExit()
            .orTimeout(limitS, TimeUnit.SECONDS)
            .whenComplete((_, over) -> {
              if (over != null) {
                errand.late = true;
                errand.close();
              }
            });
    try (OutputStream in = process.getOutputStream()) {
      in.write(input);
    } catch (IOException e) {
      // It did not want to hear it; how it ended says why.
    }
    return errand;
  }

  /// Its next line; null when it says no more.
  @Nullable String line() throws IOException {
    String line = out.readLine();
    if (line != null && !line.isBlank()) {
      lastLine = line.strip();
    }
    return line;
  }

  /// Reads the rest and waits for its end.
  ///
  /// @return what went wrong, if anything did
  Optional<String> end() throws IOException, InterruptedException {
    while (line() != null) {
      // Only the last line is of interest.
    }
    int exit = process.waitFor();
    if (late) {
      return Optional.of("it did not end within " + limitS + " s");
    }
    return exit == 0
        ? Optional.empty()
        : Optional.of("it ended with " + exit + ": " + shown(lastLine));
  }

  /// Kills it if it still runs.
  @Override
  public void close() {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }

  /// The beginning of a line that somebody else wrote.
  static String shown(String line) {
    return line.length() <= DemoLimits.SHOWN_CHARS
        ? line
        : line.substring(0, DemoLimits.SHOWN_CHARS) + "...";
  }
}
