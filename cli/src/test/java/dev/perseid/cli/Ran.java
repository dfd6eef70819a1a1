package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/// A command that was run in this process: how it ended and what it printed.
record Ran(int exit, String out, String err) {
  private static final ObjectMapper JSON = new ObjectMapper();

  static Ran of(String... arguments) {
    return of(Map.of(), arguments);
  }

  /// Runs a command; whatever it says, it must not show its insides.
  static Ran of(Map<String, String> environment, String... arguments) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int exit =
        Main.run(
            new Screen(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false),
            environment,
            arguments);
    Ran ran =
        new Ran(exit, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    assertThat(ran.err + ran.out)
        .doesNotContain("\tat dev.perseid")
        .doesNotContain("this is a bug");
    return ran;
  }

  JsonNode json() throws IOException {
    return JSON.readTree(out);
  }
}
