package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class GpuFramesTest {
  private static final List<Gpu> GPUS =
      List.of(
          new Gpu(
              3, "one", 1L << 40, "0000:65:00.0", List.of(Path.of("/dev/a"), Path.of("/dev/b"))),
          new Gpu(4, "", 0, "", List.of()));

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final DataOutputStream to = new DataOutputStream(bytes);

  private DataInputStream from() {
    return new DataInputStream(new ByteArrayInputStream(bytes.toByteArray()));
  }

  @Test
  void questionsArriveAsTheyWereAsked() throws IOException {
    List<GpuFrames.Ask> asked =
        List.of(
            new GpuFrames.Ask.Find(true),
            new GpuFrames.Ask.Open(GPUS),
            new GpuFrames.Ask.Links(-1, 2, 3),
            new GpuFrames.Ask.Memory(Long.MIN_VALUE, 4, 5));
    for (GpuFrames.Ask ask : asked) {
      GpuFrames.write(to, ask);
    }
    DataInputStream from = from();
    for (GpuFrames.Ask ask : asked) {
      assertThat(GpuFrames.readAsk(from)).isEqualTo(ask);
    }
    assertThat(GpuFrames.readAsk(from)).isNull();
  }

  @Test
  void answersArriveAsTheyWereGiven() throws IOException {
    List<GpuFrames.Answer> given =
        List.of(
            new GpuFrames.Answer.Found(new GpuWorker.Found(GPUS, "why")),
            new GpuFrames.Answer.Opened(),
            new GpuFrames.Answer.Failed("because"));
    for (GpuFrames.Answer answer : given) {
      GpuFrames.write(to, answer);
    }
    GpuFrames.write(to, new GpuFrames.Answer.Done(new long[] {1, -2}, new long[] {3}));
    DataInputStream from = from();
    for (GpuFrames.Answer answer : given) {
      assertThat(GpuFrames.readAnswer(from)).isEqualTo(answer);
    }
    GpuFrames.Answer.Done done = (GpuFrames.Answer.Done) GpuFrames.readAnswer(from);
    assertThat(done.digests()).containsExactly(1, -2);
    assertThat(done.walk()).containsExactly(3);
    assertThatThrownBy(() -> GpuFrames.readAnswer(from)).isInstanceOf(EOFException.class);
  }

  @Test
  void aLongReasonIsCut() throws IOException {
    GpuFrames.write(to, new GpuFrames.Answer.Failed("\u20ac".repeat(100_000)));
    assertThat(GpuFrames.readAnswer(from()))
        .isInstanceOfSatisfying(
            GpuFrames.Answer.Failed.class, failed -> assertThat(failed.why()).hasSize(1_000));
  }

  @Test
  void nonsenseIsGarbage() throws IOException {
    to.writeByte(7);
    to.writeInt(Integer.MAX_VALUE);
    assertThatThrownBy(() -> GpuFrames.readAnswer(from())).isInstanceOf(Frames.Garbage.class);
    bytes.reset();
    to.writeByte(99);
    assertThatThrownBy(() -> GpuFrames.readAnswer(from())).isInstanceOf(Frames.Garbage.class);
    assertThatThrownBy(() -> GpuFrames.readAsk(from())).isInstanceOf(Frames.Garbage.class);
    bytes.reset();
    to.writeByte(5);
    to.writeInt(-1);
    assertThatThrownBy(() -> GpuFrames.readAnswer(from())).isInstanceOf(Frames.Garbage.class);
  }
}
