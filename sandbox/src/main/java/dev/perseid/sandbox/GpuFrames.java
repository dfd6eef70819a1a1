package dev.perseid.sandbox;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The conversation with the process that uses GPUs: one question, one answer. Integers are
/// big-endian, texts as [DataOutputStream#writeUTF] writes them.
final class GpuFrames {
  private GpuFrames() {}

  private static final int FIND = 1;
  private static final int OPEN = 2;
  private static final int LINKS = 3;
  private static final int MEMORY = 4;
  private static final int FOUND = 5;
  private static final int OPENED = 6;
  private static final int DONE = 7;
  private static final int FAILED = 8;

  /// A text is cut to so many characters: it always fits then.
  private static final int TEXT_CHARS = 1_000;

  sealed interface Ask {
    /// Which devices are there?
    record Find(boolean processorsToo) implements Ask {}

    /// Get ready to use these. First, and once.
    record Open(List<Gpu> gpus) implements Ask {}

    record Links(long seed, int lanes, int length) implements Ask {}

    record Memory(long seed, int chunks, int chunkWords) implements Ask {}
  }

  sealed interface Answer {
    record Found(GpuWorker.Found found) implements Answer {}

    record Opened() implements Answer {}

    /// The digests of links, or of chunks and the words on the walk.
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Done(long[] digests, long[] walk) implements Answer {}

    record Failed(String why) implements Answer {}
  }

  static void write(DataOutputStream to, Ask ask) throws IOException {
    switch (ask) {
      case Ask.Find(boolean processorsToo) -> {
        to.writeByte(FIND);
        to.writeBoolean(processorsToo);
      }
      case Ask.Open(List<Gpu> gpus) -> {
        to.writeByte(OPEN);
        write(to, gpus);
      }
      case Ask.Links(long seed, int lanes, int length) -> {
        to.writeByte(LINKS);
        to.writeLong(seed);
        to.writeInt(lanes);
        to.writeInt(length);
      }
      case Ask.Memory(long seed, int chunks, int chunkWords) -> {
        to.writeByte(MEMORY);
        to.writeLong(seed);
        to.writeInt(chunks);
        to.writeInt(chunkWords);
      }
    }
    to.flush();
  }

  /// The next question; null at the end.
  static @Nullable Ask readAsk(DataInputStream from) throws IOException {
    int type = from.read();
    return switch (type) {
      case -1 -> null;
      case FIND -> new Ask.Find(from.readBoolean());
      case OPEN -> new Ask.Open(readGpus(from));
      case LINKS -> new Ask.Links(from.readLong(), from.readInt(), from.readInt());
      case MEMORY -> new Ask.Memory(from.readLong(), from.readInt(), from.readInt());
      default -> throw new Frames.Garbage("a question of type " + type);
    };
  }

  static void write(DataOutputStream to, Answer answer) throws IOException {
    switch (answer) {
      case Answer.Found(GpuWorker.Found found) -> {
        to.writeByte(FOUND);
        write(to, found.gpus());
        write(to, found.problem());
      }
      case Answer.Opened() -> to.writeByte(OPENED);
      case Answer.Done(long[] digests, long[] walk) -> {
        to.writeByte(DONE);
        write(to, digests);
        write(to, walk);
      }
      case Answer.Failed(String why) -> {
        to.writeByte(FAILED);
        write(to, why);
      }
    }
    to.flush();
  }

  /// The next answer.
  ///
  /// @throws EOFException if there is none
  static Answer readAnswer(DataInputStream from) throws IOException {
    int type = from.readByte();
    return switch (type) {
      case FOUND -> new Answer.Found(new GpuWorker.Found(readGpus(from), from.readUTF()));
      case OPENED -> new Answer.Opened();
      case DONE -> new Answer.Done(readLongs(from), readLongs(from));
      case FAILED -> new Answer.Failed(from.readUTF());
      default -> throw new Frames.Garbage("an answer of type " + type);
    };
  }

  private static void write(DataOutputStream to, String text) throws IOException {
    to.writeUTF(text.substring(0, Math.min(text.length(), TEXT_CHARS)));
  }

  private static void write(DataOutputStream to, List<Gpu> gpus) throws IOException {
    to.writeInt(gpus.size());
    for (Gpu gpu : gpus) {
      to.writeInt(gpu.index());
      write(to, gpu.name());
      to.writeLong(gpu.memoryBytes());
      write(to, gpu.slot());
      to.writeInt(gpu.deviceFiles().size());
      for (Path file : gpu.deviceFiles()) {
        write(to, file.toString());
      }
    }
  }

  private static List<Gpu> readGpus(DataInputStream from) throws IOException {
    List<Gpu> gpus = new ArrayList<>();
    for (int left = count(from, Limits.GPUS); left > 0; left--) {
      int index = from.readInt();
      String name = from.readUTF();
      long memoryBytes = from.readLong();
      String slot = from.readUTF();
      List<Path> files = new ArrayList<>();
      for (int more = count(from, Limits.GPU_FILES); more > 0; more--) {
        try {
          files.add(Path.of(from.readUTF()));
        } catch (InvalidPathException e) {
          throw new Frames.Garbage("a file whose name is none");
        }
      }
      gpus.add(new Gpu(index, name, memoryBytes, slot, files));
    }
    return gpus;
  }

  private static void write(DataOutputStream to, long[] numbers) throws IOException {
    to.writeInt(numbers.length);
    for (long number : numbers) {
      to.writeLong(number);
    }
  }

  private static long[] readLongs(DataInputStream from) throws IOException {
    long[] numbers = new long[count(from, Limits.GPU_DIGESTS)];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = from.readLong();
    }
    return numbers;
  }

  private static int count(DataInputStream from, int most) throws IOException {
    int count = from.readInt();
    if (count < 0 || count > most) {
      throw new Frames.Garbage("a list of " + count);
    }
    return count;
  }
}
