package dev.perseid.sandbox;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/// A short life of an engine child with known work, from which the JVM makes its start-up cache.
final class EngineTraining {
  private EngineTraining() {}

  public static void main(String[] args) throws IOException, Refused {
    try (InputStream in = EngineTraining.class.getResourceAsStream("burn.wasm")) {
      if (in == null) {
        throw new IOException("burn.wasm is not beside " + EngineTraining.class.getName());
      }
      Engine engine = Engine.compiled(Profile.prepare(in.readAllBytes()));
      for (int k = 0; k < 20; k++) {
        Frames.Task task =
            new Frames.Task(
                k,
                "",
                1L << 40,
                256,
                1 << 20,
                60_000,
                1,
                "1000 100".getBytes(StandardCharsets.US_ASCII),
                List.of(),
                new byte[0]);
        ByteSink sink = new ByteSink();
        Frames.write(sink, task);
        Frames.write(sink, Runs.run(task, engine, Path.of("/"), Path.of("/"), () -> null));
      }
    }
  }
}
