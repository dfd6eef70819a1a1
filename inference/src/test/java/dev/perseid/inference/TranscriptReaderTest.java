package dev.perseid.inference;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TranscriptReaderTest {
  private static final List<String> VOCABULARY =
      List.of("<|end|>", "<|odd|>", "<|stop|>", "a", "b", "ab", ":", "c", "\u0120");
  private static final int END = 0;
  private static final Claim CLAIM = Claim.tokens(9, 0, 2);

  @TempDir Path dir;
  private TranscriptReader ours;
  private TranscriptReader theirs;

  @BeforeEach
  void model() throws Exception {
    ByteBuffer b = ByteBuffer.allocate(4_096).order(ByteOrder.LITTLE_ENDIAN);
    b.putInt(0x46554747).putInt(3).putLong(0).putLong(6);
    text(text(b, "tokenizer.ggml.model").putInt(8), "gpt2");
    text(b, "tokenizer.ggml.tokens").putInt(9).putInt(8).putLong(VOCABULARY.size());
    VOCABULARY.forEach(t -> text(b, t));
    text(b, "tokenizer.ggml.token_type").putInt(9).putInt(5).putLong(VOCABULARY.size());
    for (int i = 0; i < VOCABULARY.size(); i++) {
      b.putInt(i < 3 ? 3 : 1);
    }
    text(b, "tokenizer.ggml.merges").putInt(9).putInt(8).putLong(1);
    text(b, "a b");
    text(b, "tokenizer.ggml.eos_token_id").putInt(4).putInt(END);
    text(text(b, "tokenizer.chat_template").putInt(8), "{{ messages[0]['content'] }}:");
    Path file = dir.resolve("tokens.gguf");
    Files.write(file, Arrays.copyOf(b.array(), (b.position() + 31) / 32 * 32));
    GgufTokens tokens = GgufTokens.of(file);
    ours = new TranscriptReader(tokens, 100, true);
    theirs = new TranscriptReader(tokens, 100, false);
  }

  private static ByteBuffer text(ByteBuffer b, String text) {
    byte[] bytes = text.getBytes(UTF_8);
    return b.putLong(bytes.length).put(bytes);
  }

  private static byte[] body(String more) {
    return ("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"ab\"}]" + more + "}")
        .getBytes(UTF_8);
  }

  private static byte[] answer(String content, String finish, String logprobs) {
    return ("{\"choices\":[{\"message\":{\"content\":\""
            + content
            + "\"},\"finish_reason\":\""
            + finish
            + "\",\"logprobs\":"
            + logprobs
            + "}],\"perseid_seed\":5}")
        .getBytes(UTF_8);
  }

  @Test
  void anAnswerOfTextIsSplitByTheTokenizer() {
    Transcript t =
        ours.read("r", body(",\"temperature\":0.5"), answer("abc", "stop", "null"), CLAIM)
            .orElseThrow();
    assertThat(t.prompt()).containsExactly(5, 6);
    // The model ended it itself, which no text shows.
    assertThat(t.output()).containsExactly(5, 7, END);
    assertThat(t.logprobs()).isEmpty();
    assertThat(t.sampling().params().temperature()).isEqualTo(0.5);
    assertThat(t.sampling().draw()).isEqualTo(new Draw.Shared(5));
    assertThat(t.said().finish()).isEqualTo(Transcript.Finish.STOP);
    assertThat(t.said().usage()).isEqualTo(CLAIM);
    assertThat(t.bounds().maxTokens()).isEqualTo(98);
  }

  @Test
  void statedTokensAreTakenAsTheyWere() {
    // "a" and "b" instead of "ab", and a control token that has no bytes.
    String stated =
        "{\"content\":[{\"token\":\"a\",\"bytes\":[97],\"logprob\":-1.5},"
            + "{\"token\":\"b\",\"bytes\":[98],\"logprob\":-2},"
            + "{\"token\":\"<|odd|>\",\"bytes\":[],\"logprob\":-9}]}";
    Transcript t =
        ours.read(
                "r",
                body(",\"max_tokens\":3,\"seed\":8,\"stop\":\"x\""),
                answer("ab", "length", stated),
                CLAIM)
            .orElseThrow();
    assertThat(t.output()).containsExactly(3, 4, 1);
    assertThat(t.logprobs()).containsExactly(-1.5f, -2, -9);
    assertThat(t.sampling().draw()).isEqualTo(new Draw.Shared(8));
    assertThat(t.bounds().stops()).isTrue();
    assertThat(t.said().finish()).isEqualTo(Transcript.Finish.LENGTH);
    // Tokens that the model does not have are kept as such: evidence, not an error.
    String made = "{\"content\":[{\"token\":\"zz\",\"bytes\":[122,122],\"logprob\":-1}]}";
    assertThat(ours.read("r", body(""), answer("zz", "length", made), CLAIM).orElseThrow().output())
        .containsExactly(-1);
  }

  @Test
  void namedTokensAreTakenIfTheySayWhatTheAnswerSays() {
    String plain = new String(answer("ab", "length", "null"), UTF_8);
    String honest = plain.replace("\"finish_reason\"", "\"token_ids\":[3,4],\"finish_reason\"");
    String lying = plain.replace("\"finish_reason\"", "\"token_ids\":[3,3],\"finish_reason\"");
    assertThat(honest).isNotEqualTo(plain);
    assertThat(output(honest)).containsExactly(3, 4);
    assertThat(output(lying)).isEqualTo(output(plain));
  }

  private int[] output(String answer) {
    return ours.read("r", body(",\"seed\":8"), answer.getBytes(UTF_8), CLAIM)
        .orElseThrow()
        .output();
  }

  @Test
  void otherBackendsDrawByThemselves() {
    byte[] answer = answer("a", "length", "null");
    assertThat(theirs.read("r", body(",\"seed\":8"), answer, CLAIM).orElseThrow().sampling().draw())
        .isEqualTo(new Draw.Foreign(8));
    byte[] noSeed = new String(answer, UTF_8).replace(",\"perseid_seed\":5", "").getBytes(UTF_8);
    assertThat(theirs.read("r", body(""), noSeed, CLAIM).orElseThrow().sampling().draw())
        .isEqualTo(new Draw.Own());
  }

  @Test
  void whatCannotBeCheckedIsLeftOut() {
    byte[] good = answer("a", "stop", "null");
    byte[] none = "{}".getBytes(UTF_8);
    assertThat(ours.read("r", body(""), none, CLAIM)).isEmpty();
    assertThat(ours.read("r", body(""), new byte[] {'{'}, CLAIM)).isEmpty();
    assertThat(ours.read("r", none, good, CLAIM)).isEmpty();
    assertThat(ours.read("r", body(",\"response_format\":{\"type\":\"json_object\"}"), good, CLAIM))
        .isEmpty();
  }
}
