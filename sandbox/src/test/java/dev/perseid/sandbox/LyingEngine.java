package dev.perseid.sandbox;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A child that a task has taken over: greets as it should, then answers each task with a lie.
///
/// Arguments: the lie, the output folder, a file outside.
final class LyingEngine {
  private LyingEngine() {}

  enum Lie {
    NO_GREETING,
    NOISE,
    HUGE_FRAME,
    CUT_FRAME,
    WRONG_KEY,
    SECOND_ANSWER,
    TOO_MUCH_GAS,
    NEGATIVE_TIME,
    TOO_MANY_OUTPUTS,
    OUTPUT_OVER_LIMIT,
    OUTPUT_FILE_MISSING,
    OUTPUT_FILE_SHORT,
    OUTPUT_LINK_TO_SECRET,
    OUTPUT_IS_A_FOLDER,
    EXIT
  }

  public static void main(String[] args) throws IOException {
    Lie lie = Lie.valueOf(args[0]);
    Path outputs = Path.of(args[1]);
    OutputStream out = System.out;
    ByteSink sink = new ByteSink();
    if (lie == Lie.NO_GREETING) {
      Frames.write(sink, new Frames.Cancel(1));
      sink.drainTo(out);
    }
    Frames.write(sink, new Frames.Hello(Frames.VERSION));
    sink.drainTo(out);
    DataInputStream in = new DataInputStream(System.in);
    for (Frames.Frame f = Frames.read(in); f != null; f = Frames.read(in)) {
      if (!(f instanceof Frames.Task task)) {
        continue;
      }
      long key = task.key();
      Path file = outputs.resolve(Frames.outputName(key, 0));
      switch (lie) {
        case NO_GREETING -> {}
        case NOISE -> out.write(new byte[] {0, 0, 0, 5, 99, 1, 2, 3, 4});
        case HUGE_FRAME -> out.write(new byte[] {0x7f, 0, 0, 0});
        case CUT_FRAME -> {
          out.write(new byte[] {0, 0, 1, 0, 4, 0});
          out.close();
        }
        case WRONG_KEY -> answer(sink, key + 77, 1, 1, List.of(new Frames.Part(0, new byte[0])));
        case SECOND_ANSWER -> {
          answer(sink, key, 1, 1, List.of(new Frames.Part(0, new byte[0])));
          answer(sink, key, 1, 1, List.of(new Frames.Part(0, new byte[0])));
        }
        case TOO_MUCH_GAS ->
            answer(sink, key, task.gas() + 1, 1, List.of(new Frames.Part(0, new byte[0])));
        case NEGATIVE_TIME -> answer(sink, key, 1, -5, List.of(new Frames.Part(0, new byte[0])));
        case TOO_MANY_OUTPUTS -> {
          List<Frames.Part> parts = new ArrayList<>();
          for (int k = 0; k < 3; k++) {
            parts.add(new Frames.Part(0, new byte[0]));
          }
          answer(sink, key, 1, 1, parts);
        }
        case OUTPUT_OVER_LIMIT -> answer(sink, key, 1, 1, List.of(new Frames.Part(1L << 40, null)));
        case OUTPUT_FILE_MISSING -> answer(sink, key, 1, 1, List.of(new Frames.Part(1000, null)));
        case OUTPUT_FILE_SHORT -> {
          Files.write(file, new byte[999]);
          answer(sink, key, 1, 1, List.of(new Frames.Part(1000, null)));
        }
        case OUTPUT_LINK_TO_SECRET -> {
          Files.createSymbolicLink(file, Path.of(args[2]));
          answer(sink, key, 1, 1, List.of(new Frames.Part(Files.size(Path.of(args[2])), null)));
        }
        case OUTPUT_IS_A_FOLDER -> {
          Files.createDirectory(file);
          answer(sink, key, 1, 1, List.of(new Frames.Part(Files.size(file), null)));
        }
        case EXIT -> System.exit(3);
      }
      sink.drainTo(out);
    }
  }

  private static void answer(
      ByteSink sink, long key, long gas, long ns, List<Frames.Part> outputs) {
    Frames.write(sink, new Frames.Result(key, null, "", gas, ns, ns, 65_536, new byte[0], outputs));
  }
}
