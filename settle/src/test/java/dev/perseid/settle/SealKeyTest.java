package dev.perseid.settle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SealKeyTest {
  @TempDir Path dir;

  @Test
  void aKeyIsMadeOnceAndReadAgain() throws Exception {
    Path home = dir.resolve("node");
    SealKey made = SealKey.loadOrCreate(home);
    assertThat(SealKey.loadOrCreate(home).publicKey()).isEqualTo(made.publicKey());
    Path file = home.resolve("seal.pem");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    assertThatThrownBy(() -> made.write(file)).isInstanceOf(FileAlreadyExistsException.class);
    byte[] sealed = Sealed.request(made.publicKey(), "r", new byte[0], new byte[3]).bytes();
    assertThat(SealKey.read(file).open("r", new byte[0], sealed).body()).hasSize(3);
  }

  /// A key that OpenSSL made for this test, and its public half as OpenSSL printed it.
  @Test
  void filesOfOpensslAreRead() throws Exception {
    Path file = write("MC4CAQAwBQYDK2VuBCIEILADpXgy9cSo0tqA6Llo0Ae3AfCYAFZ4Bsg7hhwGvmND");
    assertThat(SealKey.read(file).publicKey().hex())
        .isEqualTo("ede2f6ace85607d6333df4547da433bcab0d4893c0c1d4ce868d6e48e286e53d");
  }

  @Test
  void whatIsNoKeyIsRefused() throws Exception {
    String good = "MC4CAQAwBQYDK2VuBCIEI" + "A".repeat(43);
    // Ed25519's object identifier differs in one byte.
    String ed25519 = "MC4CAQAwBQYDK2VwBCIEI" + "A".repeat(43);
    assertThat(SealKey.read(write(good)).publicKey()).isNotNull();
    for (String text : new String[] {ed25519, good.substring(0, 40), "", "#!"}) {
      Path file = write(text);
      assertThatThrownBy(() -> SealKey.read(file))
          .isInstanceOf(KeyFileException.class)
          .hasMessageContaining(file.toString());
    }
    Path bare = Files.createTempFile(dir, "k", ".pem");
    assertThatThrownBy(() -> SealKey.read(bare)).isInstanceOf(KeyFileException.class);
  }

  @Test
  void aFileThatOthersReadIsRefused() throws Exception {
    Path file = dir.resolve("seal.pem");
    SealKey.generate().write(file);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    assertThatThrownBy(() -> SealKey.loadOrCreate(dir))
        .isInstanceOf(KeyFileException.class)
        .hasMessageContaining("chmod 600");
  }

  @Test
  void itsTextIsItsPublicHalf() {
    SealKey key = SealKey.generate();
    assertThat(key.toString()).isEqualTo("SealKey " + key.publicKey());
  }

  private Path write(String base64) throws Exception {
    Path file = Files.createTempFile(dir, "k", ".pem");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    return Files.writeString(
        file, "-----BEGIN PRIVATE KEY-----\n" + base64 + "\n-----END PRIVATE KEY-----\n");
  }
}
