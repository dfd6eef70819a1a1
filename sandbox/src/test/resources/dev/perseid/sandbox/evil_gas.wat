;; Invalid: sets global 1, which exists only once metering has added it. Must be refused before anything is added.
(module (memory (export "memory") 1) (global (mut i32) (i32.const 0))
  (func (export "step") (result i32) (global.set 1 (i64.const 9000000000000000000)) (i32.const 1)))
