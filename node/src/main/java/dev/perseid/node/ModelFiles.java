package dev.perseid.node;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.inference.BrokenModelException;
import dev.perseid.inference.Manifest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/// The files of a model, as its manifest names them.
final class ModelFiles {
  /// One of them.
  ///
  /// @param title its name; empty for the description
  record File(String title, String mediaType, Blob blob) {}

  /// A manifest is missing or malformed.
  static final class Wrong extends Exception {
    Wrong(String message) {
      super(message, null, false, false);
    }
  }

  private static final ObjectMapper JSON =
      new ObjectMapper(
          JsonFactory.builder()
              .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(32).build())
              .build());

  private ModelFiles() {}

  /// Reads a manifest that is in the store.
  static List<File> read(BlobStore blobs, Hash manifest) throws Wrong, IOException {
    return files(whole(blobs, manifest, "the manifest"));
  }

  /// The manifest of a model that an author signed, if it says what the model says.
  static Manifest check(BlobStore blobs, Model model) throws Wrong, IOException {
    byte[] bytes = whole(blobs, model.manifest(), "the manifest");
    try {
      byte[] config = whole(blobs, Manifest.configHash(bytes), "the description");
      Manifest manifest = Manifest.read(bytes, config);
      Model described = manifest.toModel(model.author(), model.madeUs());
      if (!described.equals(model)) {
        throw new Wrong(
            "the signed model is not the one that its manifest describes ("
                + described.fullName()
                + "): sign what the manifest says");
      }
      return manifest;
    } catch (BrokenModelException e) {
      throw new Wrong("its manifest is wrong: " + e.getMessage());
    }
  }

  private static byte[] whole(BlobStore blobs, Hash hash, String what) throws Wrong, IOException {
    OptionalLong size = blobs.size(hash);
    if (size.isEmpty()) {
      throw new Wrong(what + " (" + hash + ") is not in the pool");
    }
    if (size.getAsLong() > MarketLimits.MANIFEST_BYTES) {
      throw new Wrong(
          what
              + " has "
              + size.getAsLong()
              + " bytes: at most "
              + MarketLimits.MANIFEST_BYTES
              + " are allowed");
    }
    try (InputStream in = Channels.newInputStream(blobs.read(hash))) {
      return in.readAllBytes();
    }
  }

  /// The files that a manifest names: an OCI image manifest with the description as its `config`
  /// and the files as its `layers`.
  static List<File> files(byte[] manifest) throws Wrong {
    JsonNode root;
    try {
      root = JSON.readTree(manifest);
    } catch (IOException e) {
      throw new Wrong("the manifest is not JSON");
    }
    if (root == null || !root.isObject() || !root.path("layers").isArray()) {
      throw new Wrong("the manifest is no OCI image manifest: it has no list 'layers'");
    }
    if (root.get("layers").size() > MarketLimits.MODEL_FILES) {
      throw new Wrong("the manifest names more than " + MarketLimits.MODEL_FILES + " files");
    }
    List<File> files = new ArrayList<>();
    files.add(file(root.path("config"), "config"));
    for (JsonNode layer : root.get("layers")) {
      files.add(file(layer, "layers[" + (files.size() - 1) + "]"));
    }
    return files;
  }

  private static File file(JsonNode node, String where) throws Wrong {
    String digest = node.path("digest").asText();
    if (!digest.matches("sha256:[0-9a-f]{64}")) {
      throw new Wrong(where + ".digest of the manifest must be sha256: and 64 hexadecimal digits");
    }
    long size = node.path("size").asLong(-1);
    if (size < 0) {
      throw new Wrong(where + ".size of the manifest must be a number of bytes");
    }
    return new File(
        node.path("annotations").path("org.opencontainers.image.title").asText(),
        node.path("mediaType").asText(),
        new Blob(Hash.parse(digest), size));
  }
}
