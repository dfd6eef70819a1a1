(module (memory (export "memory") 1) (func $two (result i32 i32) (i32.const 1) (i32.const 2)) (func (export "step") (result i32) (call $two) (i32.add)))
