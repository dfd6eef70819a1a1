(module (import "perseid" "input_size" (func (param i32) (result i32))) (memory (export "memory") 1) (func (export "step") (result i32) (i32.const 1)))
