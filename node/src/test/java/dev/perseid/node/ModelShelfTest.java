package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The files of models over real HTTP, from a pool that can be told to misbehave.
@Timeout(60)
final class ModelShelfTest {
  private static final ProviderTransfer.Patience PATIENCE =
      new ProviderTransfer.Patience(2_000, 1, 10, 5_000);

  @TempDir Path folder;
  private BlobHost pool;
  private final List<String> notices = new ArrayList<>();
  private final byte[] weights = new byte[300_000];
  private Model model;

  @BeforeEach
  void open() throws Exception {
    pool = new BlobHost();
    new Random(1).nextBytes(weights);
    model = publish("weights.gguf", weights);
  }

  @AfterEach
  void close() {
    pool.close();
  }

  private Model publish(String title, byte[] bytes) {
    Blob config = pool.add("{\"about\":\"it\"}".getBytes(StandardCharsets.UTF_8));
    Blob file = pool.add(bytes);
    Blob manifest =
        pool.add(
            """
            {"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:%s","size":%d},
             "layers":[{"mediaType":"c/d","digest":"sha256:%s","size":%d,
               "annotations":{"org.opencontainers.image.title":"%s"}}]}
            """
                .formatted(
                    config.hash().hex(),
                    config.sizeBytes(),
                    file.hash().hex(),
                    file.sizeBytes(),
                    title)
                .getBytes(StandardCharsets.UTF_8));
    return model(manifest.hash());
  }

  private static Model model(Hash manifest) {
    return new Model(
        Address.ZERO, "me/m", "1", manifest, ModelTask.CHAT, "gguf", "f16", 1, 1, "MIT", 0, 1);
  }

  private ModelShelf shelf() {
    return new ModelShelf(
        folder.resolve("models"),
        new ProviderTransfer(pool.uri(), Optional.empty(), () -> Optional.of("good"), PATIENCE),
        notices::add);
  }

  @Test
  void filesAreFetchedOnceAndStandInALayout() throws Exception {
    ModelShelf shelf = shelf();
    Map<String, Path> files = shelf.take(model);
    assertThat(files).containsOnlyKeys("weights.gguf");
    assertThat(files.get("weights.gguf")).hasBinaryContent(weights);
    assertThat(files.get("weights.gguf").toString())
        .endsWith("/models/blobs/sha256/" + Hash.sha256(weights).hex());
    assertThat(folder.resolve("models/oci-layout")).content().contains("1.0.0");
    assertThat(folder.resolve("models/index.json"))
        .content()
        .containsOnlyOnce("sha256:" + model.manifest().hex())
        .contains("me/m:1");
    int asked = pool.requests.size();
    shelf.take(model);
    shelf().take(model); // after a restart
    assertThat(pool.requests).hasSize(asked);
    assertThat(folder.resolve("models/index.json"))
        .content()
        .containsOnlyOnce("sha256:" + model.manifest().hex());
    assertThat(notices).isEmpty();
  }

  @Test
  void whatWasDamagedOnDiskIsFetchedAgain() throws Exception {
    Path file = shelf().take(model).get("weights.gguf");
    byte[] damaged = weights.clone();
    damaged[100_000] ^= 1;
    Files.write(file, damaged);
    Files.writeString(
        folder.resolve("models/blobs/sha256/" + model.manifest().hex()), "{\"layers\":[]}");
    assertThat(shelf().take(model).get("weights.gguf")).hasBinaryContent(weights);
    assertThat(notices).hasSize(1);
    assertThat(notices.getFirst())
        .contains("'weights.gguf' of me/m:1 was damaged on this disk")
        .contains("fetched again");
  }

  @Test
  void whatArrivesDamagedIsFetchedAgainOnce() throws Exception {
    pool.misbehave(BlobHost.Fault.NONE, BlobHost.Fault.NONE, BlobHost.Fault.CORRUPT);
    assertThat(shelf().take(model).get("weights.gguf")).hasBinaryContent(weights);
    assertThat(notices)
        .containsExactly("file 'weights.gguf' of me/m:1 arrived damaged: it is fetched again");
  }

  @Test
  void whatArrivesDamagedTwiceIsRefused() throws Exception {
    pool.misbehave(
        BlobHost.Fault.NONE, BlobHost.Fault.NONE, BlobHost.Fault.CORRUPT, BlobHost.Fault.CORRUPT);
    ModelShelf shelf = shelf();
    assertThatThrownBy(() -> shelf.take(model))
        .isInstanceOf(ModelUnusable.class)
        .hasMessageContaining("'weights.gguf' of me/m:1 arrived 2 times")
        .hasMessageContaining(Hash.sha256(weights).toString())
        .hasMessageContaining("ask its operator or publish it again");
    assertThat(folder.resolve("models/blobs/sha256/" + Hash.sha256(weights).hex())).doesNotExist();
    assertThat(shelf.take(model).get("weights.gguf")).hasBinaryContent(weights);
  }

  @Test
  void aManifestOfAnotherContentIsRefused() {
    pool.misbehave(BlobHost.Fault.CORRUPT, BlobHost.Fault.CORRUPT);
    assertThatThrownBy(() -> shelf().take(model))
        .isInstanceOf(ModelUnusable.class)
        .hasMessageContaining("manifest")
        .hasMessageContaining("2 times with another content");
  }

  @Test
  void anInterruptedFetchGoesOnWhereItStopped() throws Exception {
    pool.misbehave(BlobHost.Fault.NONE, BlobHost.Fault.NONE, BlobHost.Fault.CUT);
    assertThat(shelf().take(model).get("weights.gguf")).hasBinaryContent(weights);
    assertThat(pool.requests).contains("GET bytes=150000-");

    // Also by another process: what had arrived is still there.
    byte[] other = new byte[200_000];
    new Random(2).nextBytes(other);
    Model second = publish("other.gguf", other);
    Path partial = folder.resolve("models/partial/" + Hash.sha256(other).hex());
    Files.write(partial, java.util.Arrays.copyOf(other, 120_000));
    assertThat(shelf().take(second).get("other.gguf")).hasBinaryContent(other);
    assertThat(pool.requests).contains("GET bytes=120000-");
    assertThat(partial).doesNotExist();
  }

  @Test
  void aLocalFileMustBeThePublishedOne() throws Exception {
    Path file = Files.write(folder.resolve("mine.gguf"), weights);
    assertThat(shelf().lend(model, file)).containsExactly(Map.entry("weights.gguf", file));
    assertThatThrownBy(() -> shelf().lend(model, folder))
        .isInstanceOf(ModelUnusable.class)
        .hasMessageContaining("there is no file")
        .hasMessageContaining("'weights.gguf'");
    Path named = Files.move(file, folder.resolve("weights.gguf"));
    assertThat(shelf().lend(model, folder)).containsExactly(Map.entry("weights.gguf", named));
    weights[7] ^= 1;
    Files.write(named, weights);
    assertThatThrownBy(() -> shelf().lend(model, named))
        .isInstanceOf(ModelUnusable.class)
        .hasMessageContaining("is not the published 'weights.gguf'")
        .hasMessageContaining("publish this one as a new version");
  }

  @Test
  void namesThatLeadElsewhereAreRefused() {
    for (String title : List.of("../x", "/etc/x", "..", "", "a\\\\b")) {
      Model evil = publish(title, weights);
      assertThatThrownBy(() -> shelf().take(evil))
          .as(title)
          .isInstanceOf(ModelUnusable.class)
          .hasMessageContaining("which is no name");
    }
    Model none = model(pool.add("no manifest".getBytes(StandardCharsets.UTF_8)).hash());
    assertThatThrownBy(() -> shelf().take(none)).isInstanceOf(ModelUnusable.class);
  }
}
