package dev.perseid.node;

import dev.perseid.core.Model;
import dev.perseid.inference.BrokenModelException;
import dev.perseid.inference.GgufTokens;
import dev.perseid.inference.HuggingFaceTokens;
import dev.perseid.inference.ModelFile;
import dev.perseid.inference.ModelFileException;
import dev.perseid.inference.Tokens;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// Tokenizers out of the files of published models: of a GGUF file its head, else a
/// `tokenizer.json`.
final class StoredTokens implements TokenShelf.Loader {
  private final BlobStore blobs;

  StoredTokens(BlobStore blobs) {
    this.blobs = blobs;
  }

  @Override
  public Optional<Tokens> load(Model model) {
    try {
      List<ModelFiles.File> files = ModelFiles.read(blobs, model.manifest());
      Optional<Path> gguf = one(files, ModelFile.GGUF);
      if (gguf.isPresent()) {
        return Optional.of(GgufTokens.of(gguf.get()));
      }
      Optional<Path> json = one(files, ModelFile.TOKENIZER);
      return json.isPresent() ? Optional.of(HuggingFaceTokens.load(json.get())) : Optional.empty();
    } catch (ModelFiles.Wrong | ModelFileException | BrokenModelException | IOException e) {
      System.getLogger(StoredTokens.class.getName())
          .log(
              System.Logger.Level.WARNING,
              "the tokens of "
                  + model.fullName()
                  + " are counted as bytes: its tokenizer cannot be read: "
                  + e.getMessage());
      return Optional.empty();
    }
  }

  private Optional<Path> one(List<ModelFiles.File> files, String mediaType) {
    List<ModelFiles.File> found =
        files.stream().filter(f -> f.mediaType().equals(mediaType)).toList();
    return found.size() == 1 ? blobs.path(found.getFirst().blob().hash()) : Optional.empty();
  }
}
