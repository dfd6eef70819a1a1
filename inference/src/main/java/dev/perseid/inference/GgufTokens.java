package dev.perseid.inference;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The tokens of a model file, without its weights: cheap to load. Immutable; safe for any thread.
public final class GgufTokens implements Tokens {
  private final Tokenizer tokenizer;
  private final ChatTemplate template;

  GgufTokens(Tokenizer tokenizer, ChatTemplate template) {
    this.tokenizer = tokenizer;
    this.template = template;
  }

  /// Reads the tokenizer and the chat template of a GGUF file.
  ///
  /// @throws ModelFileException if the file is none, or uses a tokenizer that is not known here
  public static GgufTokens of(Path file) throws ModelFileException {
    try (Gguf gguf = Gguf.open(file)) {
      Tokenizer tokenizer = new Tokenizer(gguf);
      return new GgufTokens(tokenizer, ChatTemplate.of(gguf, tokenizer));
    }
  }

  @Override
  public int count(String text) {
    return tokenizer.encode(text, false, false).length;
  }

  /// The tokens of a text that stands alone, special tokens not recognised in it.
  public int[] encode(String text) {
    return tokenizer.encode(text, false, false);
  }

  /// The same; 0 for a body that is no request which this model could answer.
  @Override
  public int promptTokens(Api api, byte[] body) {
    int sum = 0;
    for (int[] prompt : prompts(api, body)) {
      sum += prompt.length;
    }
    return sum;
  }

  /// The tokens of each prompt of a chat (one) or completion request; empty for a body that is no
  /// request which this model could answer.
  public List<int[]> prompts(Api api, byte[] body) {
    try {
      return prompts(ChatCall.of(api, body));
    } catch (InvalidCall e) {
      return List.of();
    }
  }

  List<int[]> prompts(ChatCall call) throws InvalidCall {
    if (call.api() == Api.CHAT) {
      try {
        return List.of(template.prompt(call));
      } catch (TemplateException e) {
        throw new InvalidCall(
            "messages", "The model's chat template refuses the messages: " + e.getMessage() + ".");
      }
    }
    List<int[]> all = new ArrayList<>();
    for (JsonNode prompt : call.prompts()) {
      if (prompt.isTextual()) {
        all.add(tokenizer.encode(tokenizer.guarded(prompt.textValue()), true, true));
      } else {
        int[] tokens = new int[prompt.size()];
        for (int i = 0; i < tokens.length; i++) {
          tokens[i] = prompt.get(i).intValue();
          if (tokens[i] < 0 || tokens[i] >= tokenizer.size()) {
            throw new InvalidCall("prompt", "The model has no token " + tokens[i] + ".");
          }
        }
        all.add(tokens);
      }
    }
    return all;
  }

  /// The token that ends an answer, -1 if the model has none.
  public int end() {
    return tokenizer.end();
  }

  Tokenizer tokenizer() {
    return tokenizer;
  }
}
