package dev.perseid.node;

import dev.perseid.core.Model;
import dev.perseid.inference.Tokens;
import java.util.Optional;

/// Tokenizers out of the files of published models.
final class StoredTokens implements TokenShelf.Loader {
  private final BlobStore blobs;

  StoredTokens(BlobStore blobs) {
    this.blobs = blobs;
  }

  @Override
  public Optional<Tokens> load(Model model) {
    return blobs.path(model.manifest()).flatMap(p -> Optional.empty());
  }
}
