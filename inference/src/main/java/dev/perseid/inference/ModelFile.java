package dev.perseid.inference;

import dev.perseid.core.Hash;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/// One file of a model.
///
/// @param title its name: letters, digits and `._-`, no folders
/// @param mediaType what it is
/// @param hash SHA-256 of its bytes
/// @param size its bytes
public record ModelFile(String title, String mediaType, Hash hash, long size) {
  /// Weights and more for language models.
  public static final String GGUF = "application/vnd.perseid.model.gguf";

  /// A graph with its weights.
  public static final String ONNX = "application/vnd.perseid.model.onnx";

  /// HuggingFace's description of a tokenizer.
  public static final String TOKENIZER = "application/vnd.perseid.model.tokenizer.v1+json";

  /// A portable module.
  public static final String WASM = "application/wasm";

  /// The model card.
  public static final String CARD = "text/markdown";

  /// Anything else.
  public static final String OTHER = "application/octet-stream";

  private static final Pattern TITLE = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}");

  /// What a file of this name is.
  public static String mediaType(String title) {
    String name = title.toLowerCase(Locale.ROOT);
    if (name.equals("tokenizer.json")) {
      return TOKENIZER;
    }
    return name.endsWith(".gguf")
        ? GGUF
        : name.endsWith(".onnx")
            ? ONNX
            : name.endsWith(".wasm") ? WASM : name.endsWith(".md") ? CARD : OTHER;
  }

  /// What is wrong with it, if anything.
  Optional<String> problem() {
    if (!TITLE.matcher(title).matches()) {
      return Optional.of(
          "a file's name must have 1 to 128 characters of [A-Za-z0-9._-], begin with a letter or"
              + " digit and name no folder");
    }
    if (!mediaType.matches("[a-zA-Z0-9!#$&^_.+-]{1,64}/[a-zA-Z0-9!#$&^_.+-]{1,64}")) {
      return Optional.of("the media type of '" + title + "' is none");
    }
    if (size < 0 || size > ModelLayout.FILE_BYTES) {
      return Optional.of("'" + title + "' is larger than " + ModelLayout.FILE_BYTES + " bytes");
    }
    return Optional.empty();
  }
}
