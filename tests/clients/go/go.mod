module evenkeel/clients

go 1.26.0
