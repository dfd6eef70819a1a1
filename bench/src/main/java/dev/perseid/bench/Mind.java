package dev.perseid.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Hash;
import dev.perseid.inference.Answer;
import dev.perseid.inference.Api;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.LanguageModel;
import dev.perseid.inference.Logits;
import dev.perseid.inference.ModelFileException;
import dev.perseid.inference.Request;
import dev.perseid.inference.Transcript;
import dev.perseid.inference.TranscriptReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// A loaded language model: what answers, and what reads answers again.
final class Mind implements Logits, AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final LanguageModel model;
  private final TranscriptReader reader;

  private Mind(LanguageModel model) {
    this.model = model;
    this.reader = new TranscriptReader(model.tokens(), model.context(), true);
  }

  static Mind load(Path file) throws IOException {
    try {
      return new Mind(LanguageModel.load(file, new LanguageModel.Options(1, 64L << 20, 4, 16, 0)));
    } catch (ModelFileException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /// A chat request whose user asks these things, one after another.
  static byte[] asking(List<String> questions, double temperature, long seed, int maxTokens) {
    ObjectNode body = JSON.createObjectNode();
    body.put("model", "m").put("temperature", temperature).put("seed", seed);
    body.put("max_tokens", maxTokens).put("logprobs", true);
    ArrayNode messages = body.putArray("messages");
    for (int i = 0; i < questions.size(); i++) {
      if (i > 0) {
        messages.addObject().put("role", "assistant").put("content", "I see.");
      }
      messages.addObject().put("role", "user").put("content", questions.get(i));
    }
    return body.toString().getBytes(StandardCharsets.UTF_8);
  }

  /// Answers a request, as an ordinary provider does.
  ///
  /// @param told the request that the transcript is to name: what the consumer asked
  /// @param asked the request that the model gets
  Transcript answer(String id, byte[] told, byte[] asked) {
    CompletableFuture<byte[]> whole = new CompletableFuture<>();
    CompletableFuture<Claim> claimed = new CompletableFuture<>();
    model.ask(
        new Request(id, Api.CHAT, Hash.ZERO, asked, false),
        new Answer() {
          @Override
          public void part(byte[] json) {
            whole.complete(json);
          }

          @Override
          public void done(Claim claim) {
            claimed.complete(claim);
          }

          @Override
          public void failed(Failure failure, Claim claim) {
            claimed.completeExceptionally(new IllegalStateException(failure.message()));
          }
        });
    Claim claim = claimed.join();
    return reader
        .read(id, told, whole.join(), claim)
        .orElseThrow(() -> new IllegalStateException("an answer cannot be read as tokens"));
  }

  @Override
  public int vocabulary() {
    return model.vocabulary();
  }

  @Override
  public void read(int[] prompt, int[] continuation, Row row) {
    model.teach(prompt, continuation, row::at);
  }

  @Override
  public void close() {
    model.close();
  }
}
