package dev.perseid.settle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeyFileTest {
  /// The test vectors of the Web3 Secret Storage definition.
  private static final String SCRYPT =
      """
      {"crypto":{"cipher":"aes-128-ctr",
        "cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf":"scrypt","kdfparams":{"dklen":32,"n":262144,"p":8,"r":1,
          "salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
        "mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
       "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}\
      """;

  private static final String PBKDF2 =
      """
      {"crypto":{"cipher":"aes-128-ctr",
        "cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
          "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
       "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}\
      """;

  private static final String SECRET =
      "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

  @TempDir Path dir;

  private static String secret(Key key) {
    return HexFormat.of().formatHex(key.secretBytes());
  }

  @Test
  void opensThePublishedVectors() throws Exception {
    assertThat(secret(KeyFile.decrypt(SCRYPT, "testpassword"))).isEqualTo(SECRET);
    assertThat(secret(KeyFile.decrypt(PBKDF2, "testpassword"))).isEqualTo(SECRET);
  }

  @Test
  void refusesWrongPasswordsAndDamagedStores() {
    refused(PBKDF2, "testpasswore", "the password is wrong");
    refused(PBKDF2.replace("5318b4d5", "5318b4d6"), "testpassword", "damaged");
    refused("not json", "x", "not JSON");
    refused("", "x", "not a version 3 keystore");
    refused("{\"version\":1}", "x", "not a version 3 keystore");
    refused(PBKDF2.replace("aes-128-ctr", "aes-128-cbc"), "x", "only aes-128-ctr");
    refused(PBKDF2.replace("pbkdf2", "argon2"), "x", "'argon2'");
    refused(PBKDF2.replace("262144", "-1"), "x", "sane");
    refused(PBKDF2.replace("262144", "2000000000"), "x", "sane");
    refused(SCRYPT.replace("262144", "1073741824"), "x", "not sane");
    refused(SCRYPT.replace("262144", "262143"), "x", "not sane");
    refused(SCRYPT.replace("\"p\":8", "\"p\":80000000"), "x", "not sane");
    refused(SCRYPT.replace("\"r\":1", "\"r\":0"), "x", "not sane");
    refused(SCRYPT.replace("\"iv\":\"83", "\"iv\":\""), "x", "'iv' of 15 bytes");
    refused(SCRYPT.replace("2103ac", "zz03ac"), "x", "'mac' that is not hexadecimal");
  }

  private static void refused(String store, String password, String message) {
    assertThatThrownBy(() -> KeyFile.decrypt(store, password))
        .isInstanceOf(KeyFileException.class)
        .hasMessageContaining(message);
  }

  @Test
  void opensWhatItWrote() throws Exception {
    Key key = Key.generate();
    Path light = dir.resolve("light.json");
    KeyFile.write(light, key, "päss", KeyFile.Strength.LIGHT);
    assertThat(KeyFile.read(light, "päss").address()).isEqualTo(key.address());
    // Reading one of the standard strength is what the published vectors test.
    assertThat(KeyFile.encrypt(key, "päss", KeyFile.Strength.STANDARD))
        .contains("262144")
        .doesNotContain(secret(key));
    assertThat(Files.readString(light)).contains("4096").doesNotContain(secret(key));
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(light)))
        .isEqualTo("rw-------");
    assertThatThrownBy(() -> KeyFile.write(light, key, "x", KeyFile.Strength.LIGHT))
        .isInstanceOf(FileAlreadyExistsException.class);
    assertThatThrownBy(() -> KeyFile.read(light, "wrong"))
        .hasMessageContaining(light.toString())
        .hasMessageContaining("password is wrong");
    // A store whose address is another's was put together by hand.
    String lying =
        KeyFile.encrypt(key, "p", KeyFile.Strength.LIGHT)
            .replace(key.address().toString().substring(2), "00".repeat(20));
    refused(lying, "p", "names address");
  }

  @Test
  void aNodeKeepsItsKey() throws Exception {
    Path home = dir.resolve("node");
    Key made = Key.loadOrCreate(home, new PasswordSource.Beside());
    assertThat(Key.loadOrCreate(home, PasswordSource.of(Map.of())).address())
        .isEqualTo(made.address());
    try (Stream<Path> files = Files.list(home)) {
      assertThat(files.map(f -> f.getFileName().toString()))
          .containsExactlyInAnyOrder("key.json", "key.password");
    }
    for (String file : List.of("key.json", "key.password")) {
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(home.resolve(file))))
          .isEqualTo("rw-------");
    }
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(home)))
        .isEqualTo("rwx------");
  }

  @Test
  void aNodeTakesItsPasswordFromANamedFile() throws Exception {
    Path password = dir.resolve("secret");
    PasswordSource source = PasswordSource.of(Map.of(PasswordSource.VARIABLE, password.toString()));
    Path home = dir.resolve("node");
    assertThatThrownBy(() -> Key.loadOrCreate(home, source))
        .isInstanceOf(KeyFileException.class)
        .hasMessageContaining("there is no password file " + password)
        .hasMessageContaining(PasswordSource.VARIABLE);
    Files.writeString(password, "correct horse\n");
    Files.setPosixFilePermissions(password, PosixFilePermissions.fromString("rw-r--r--"));
    assertThatThrownBy(() -> Key.loadOrCreate(home, source))
        .hasMessageContaining("others may read " + password)
        .hasMessageContaining("chmod 600");
    Files.setPosixFilePermissions(password, PosixFilePermissions.fromString("rw-------"));
    Key key = Key.loadOrCreate(home, source);
    assertThat(home.resolve("key.password")).doesNotExist();
    assertThat(KeyFile.read(home.resolve("key.json"), "correct horse").address())
        .isEqualTo(key.address());
    Files.writeString(password, "\n");
    assertThatThrownBy(() -> Key.loadOrCreate(home, source)).hasMessageContaining("is empty");
  }

  @Test
  void refusesKeysThatOthersMayRead() throws Exception {
    Path home = dir.resolve("node");
    Key.loadOrCreate(home, new PasswordSource.Beside());
    Path file = home.resolve("key.json");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    assertThatThrownBy(() -> Key.loadOrCreate(home, new PasswordSource.Beside()))
        .isInstanceOf(KeyFileException.class)
        .hasMessageContaining("others may read " + file + " (mode rw-r-----)")
        .hasMessageContaining("chmod 600");
  }

  @Test
  void saysWhatIsMissing() throws Exception {
    Path home = dir.resolve("node");
    Key.loadOrCreate(home, new PasswordSource.Beside());
    Files.delete(home.resolve("key.password"));
    assertThatThrownBy(() -> Key.loadOrCreate(home, new PasswordSource.Beside()))
        .hasMessageContaining("has no password file");
    // Nothing was made in its place, so restoring the file heals it.
    assertThat(home.resolve("key.password")).doesNotExist();
  }

  @Test
  void twoThatStartAtOnceGetTheSameKey() throws Exception {
    Path home = dir.resolve("node");
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Callable<Key>> starts = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        starts.add(() -> Key.loadOrCreate(home, new PasswordSource.Beside()));
      }
      List<String> addresses = new ArrayList<>();
      for (Future<Key> f : threads.invokeAll(starts)) {
        addresses.add(f.get().address().toString());
      }
      assertThat(addresses.stream().distinct()).hasSize(1);
    }
    try (Stream<Path> files = Files.list(home)) {
      assertThat(files).hasSize(2);
    }
  }
}
